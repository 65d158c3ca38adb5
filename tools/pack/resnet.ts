/** ResNet v1 (He et al. 2015, arXiv 1512.03385) as the packer sees it, whichever exporter wrote it. */

/** Convolution with BatchNorm folded in. */
export interface ConvLayer {
  /** Our own name, as `stage2.0.conv1`; the node's name in the source file is `source`. */
  name: string;
  source: string;
  /** [outputs, inputs, height, width], row-major. */
  weight: Float32Array;
  dims: readonly [number, number, number, number];
  bias: Float32Array;
  strides: readonly [number, number];
  /** top, left, bottom, right. */
  pads: readonly [number, number, number, number];
  relu: boolean;
}

export interface Pooling {
  kernel: readonly [number, number];
  strides: readonly [number, number];
  pads: readonly [number, number, number, number];
}

/** out = relu(convs(x) + (downsample ? downsample(x) : x)). */
export interface Block {
  name: string;
  /** Two in a basic block, three in a bottleneck; the last is linear. */
  convs: readonly ConvLayer[];
  downsample: ConvLayer | null;
}

export interface Dense {
  /** [classes, features], row-major. */
  weight: Float32Array;
  bias: Float32Array;
  classes: number;
  features: number;
}

export interface ResNet {
  input: {
    name: string;
    /** Pixels of a side, null where the file leaves it free. */
    size: number | null;
  };
  stem: ConvLayer;
  pool: Pooling;
  blocks: readonly Block[];
  dense: Dense;
}

/** Names of values in the graphs that are written; a convolution's output has the layer's name. */
export const stemName = "stem";
export const poolName = "pool";
export const blockOutputName = (block: Block) => `${block.name}.out`;

/** All convolutions in the order in which they are computed. */
export function convolutions(net: ResNet): ConvLayer[] {
  return [
    net.stem,
    ...net.blocks.flatMap((block) => [...(block.downsample ? [block.downsample] : []), ...block.convs]),
  ];
}

/** `resnet34`, or the number of layers where it is none of the published ones. */
export function architecture(net: ResNet): string {
  const layers = 2 + net.blocks.reduce((sum, block) => sum + block.convs.length, 0);
  return `resnet${layers}`;
}

/** Pixels of a side after a convolution or pooling. */
export function outputSize(
  size: number,
  kernel: number,
  stride: number,
  padBefore: number,
  padAfter: number,
): number {
  return Math.floor((size + padBefore + padAfter - kernel) / stride) + 1;
}
