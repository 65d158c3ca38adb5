/** ResNet v1 (He et al. 2015, arXiv 1512.03385) as the packer sees it, independent of the exporter. */

/** Window of a pooling or convolution. */
export interface Window {
  kernel: readonly [number, number];
  strides: readonly [number, number];
  /** top, left, bottom, right. */
  pads: readonly [number, number, number, number];
}

/** Convolution with BatchNorm folded in. The kernel's size is in `dims`. */
export interface ConvLayer extends Omit<Window, "kernel"> {
  /** Our own name, such as `stage2.0.conv1`. */
  name: string;
  /** Name of the node in the source file. */
  source: string;
  /** [outputs, inputs, height, width], row-major. */
  weight: Float32Array;
  dims: readonly [number, number, number, number];
  bias: Float32Array;
  relu: boolean;
}

/** out = relu(convs(x) + (downsample ? downsample(x) : x)). */
export interface Block {
  name: string;
  /** Two in a basic block, three in a bottleneck; the last is linear. */
  convs: readonly ConvLayer[];
  downsample: ConvLayer | null;
}

/** The classifier. */
export interface Dense {
  /** [classes, features], row-major. */
  weight: Float32Array;
  bias: Float32Array;
  classes: number;
  features: number;
}

/** A whole network. */
export interface ResNet {
  input: {
    name: string;
    /** Pixels per side; null when the file leaves it free. */
    size: number | null;
  };
  stem: ConvLayer;
  pool: Window;
  blocks: readonly Block[];
  dense: Dense;
}

/** Names of values in written graphs. A convolution's output has the layer's name. */
export const stemName = "stem";
export const poolName = "pool";
export const blockOutputName = (block: Block) => `${block.name}.out`;

/** All convolutions in the order in which they are computed. */
export function convolutions({ stem, blocks }: ResNet): ConvLayer[] {
  return [stem, ...blocks.flatMap(({ downsample, convs }) => (downsample ? [downsample, ...convs] : convs))];
}

/** `resnet34`, or `resnet` and the number of layers for sizes that were not published. */
export function architecture(net: ResNet): string {
  return `resnet${2 + net.blocks.reduce((sum, block) => sum + block.convs.length, 0)}`;
}
