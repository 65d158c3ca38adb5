/** ResNet v1 (He et al. 2015, arXiv 1512.03385) as the packer sees it, independent of the exporter. */

/** One value per channel. */
export type Triple = readonly [number, number, number];

/** Per channel: factor * x + shift. */
export interface Affine {
  factor: Triple;
  shift: Triple;
}

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
    /** What the source file does to its input before the stem, null for nothing. The network here starts with the stem. */
    normalisation: Affine | null;
    /** Order in which the source file takes the channels. The network here takes RGB. */
    channels: "RGB" | "BGR";
  };
  stem: ConvLayer;
  /** Null in networks for small images, such as those for CIFAR-10. */
  pool: Window | null;
  blocks: readonly Block[];
  dense: Dense;
  /** Name of the raw logits in the source file. */
  logits: string;
}

/** The window of a convolution. */
export const windowOf = ({ dims: [, , height, width], strides, pads }: ConvLayer): Window => ({
  kernel: [height, width],
  strides,
  pads,
});

/** Height (axis 0) or width (axis 1) after a convolution or pooling. */
export function sizeAfter(size: number, { kernel, strides, pads }: Window, axis: 0 | 1): number {
  return Math.floor((size + pads[axis] + pads[axis === 0 ? 2 : 3] - kernel[axis]) / strides[axis]) + 1;
}

/** Names of values in written graphs. A convolution's output has the layer's name. */
export const stemName = "stem";
export const poolName = "pool";
export const blockOutputName = (block: Block) => `${block.name}.out`;

/** All convolutions in the order in which they are computed. */
export function convolutions({ stem, blocks }: ResNet): ConvLayer[] {
  return [stem, ...blocks.flatMap(({ downsample, convs }) => (downsample ? [downsample, ...convs] : convs))];
}

/**
 * `resnet34`, `wide_resnet50_2` (Zagoruyko and Komodakis 2016, arXiv 1605.07146: bottlenecks of twice the width), or
 * `resnet` and the number of layers for sizes that were not published.
 */
export function architecture({ blocks }: ResNet): string {
  const layers = 2 + blocks.reduce((sum, block) => sum + block.convs.length, 0);
  const [inner, , outer] = blocks[0]?.convs.map(({ dims }) => dims[0]) ?? [];
  const isWide = inner !== undefined && outer !== undefined && outer === 2 * inner;
  return isWide ? `wide_resnet${layers}_2` : `resnet${layers}`;
}
