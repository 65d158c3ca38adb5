/**
 * Normalisation of pixels: what a model expects of its input, and what its graph does to the input before the first
 * convolution.
 */
import type { Preprocessing } from "../../src/model/manifest.ts";
import type { GraphNode } from "../onnx/graph.ts";
import { CommandError } from "../terminal/fail.ts";
import { readBatchNorm } from "./read-conv.ts";
import type { Affine, ConvLayer, ResNet, Triple } from "./resnet.ts";
import { refuse, type Walker } from "./walker.ts";

/** How images were normalised when the model was trained. */
export interface NormalisationOptions {
  /** Values of black and white. Default: [0, 1], or [0, 255] for a graph that normalises such values itself. */
  inputRange?: readonly [number, number] | undefined;
  /** Subtracted from values in inputRange, in the model's order of channels. */
  mean?: Triple | undefined;
  /** Divides the difference. */
  std?: Triple | undefined;
  /** Order of the model's channels. Default: rgb. */
  channels?: "rgb" | "bgr" | undefined;
}

const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const zeros: Triple = [0, 0, 0];
const ones: Triple = [1, 1, 1];

const each = (compute: (channel: 0 | 1 | 2) => number): [number, number, number] => [
  ...([compute(0), compute(1), compute(2)] as const),
];
const reversed = ([first, second, third]: Triple): Triple => [third, second, first];

/**
 * Reads the nodes between the input and the first convolution: Sub, Add, Mul and Div by constants, and BatchNormalization.
 * @returns What they compute, null without such nodes, and the name of the normalised value.
 * @throws CommandError for constants that are not one number, or one per channel.
 */
export function readNormalisation(
  walker: Walker,
  input: string,
): { normalisation: Affine | null; value: string } {
  let value = input;
  let normalisation: Affine | null = null;
  for (;;) {
    const node = walker.only(value, value);
    const step = readStep(walker, node, value);
    if (step === null) return { normalisation, value };
    normalisation = normalisation === null ? step : composed(normalisation, step);
    value = walker.output(node);
  }
}

function readStep(walker: Walker, node: GraphNode, value: string): Affine | null {
  if (walker.isOp(node, "BatchNormalization")) {
    const { gamma, beta, mean, variance, epsilon } = readBatchNorm(walker, node, 3);
    const factor = each((c) => gamma[c]! / Math.sqrt(variance[c]! + epsilon));
    return { factor, shift: each((c) => beta[c]! - mean[c]! * factor[c]) };
  }
  if (!walker.isOp(node, "Sub", "Add", "Mul", "Div")) return null;
  const isFirst = node.inputs[0] === value;
  const constant = channelConstant(walker, node, isFirst ? 1 : 0);
  if (node.op === "Mul") return { factor: constant, shift: zeros };
  if (node.op === "Add") return { factor: ones, shift: constant };
  if (!isFirst) throw refuse(node, "has the image as its second input; expected it as the first");
  if (node.op === "Div") return { factor: each((c) => 1 / constant[c]), shift: zeros };
  return { factor: ones, shift: each((c) => -constant[c]) };
}

/** A constant that broadcasts over [N, 3, H, W] as one number, or one per channel. */
function channelConstant(walker: Walker, node: GraphNode, index: number): Triple {
  const { dims, data } = walker.floatConstant(node, index);
  const isPerChannel = data.length === 3 && dims.at(-3) === 3;
  if (data.length !== 1 && !isPerChannel) {
    throw refuse(node, `has a constant of shape [${dims.join(",")}]; expected one number, or [3,1,1]`);
  }
  return each((c) => data[isPerChannel ? c : 0]!);
}

const composed = (first: Affine, second: Affine): Affine => ({
  factor: each((c) => second.factor[c] * first.factor[c]),
  shift: each((c) => second.factor[c] * first.shift[c] + second.shift[c]),
});

/** The network for images in RGB, made from one that takes BGR. */
export function takingRgb(net: ResNet): ResNet {
  const { normalisation } = net.input;
  return {
    ...net,
    input: {
      ...net.input,
      channels: "BGR",
      normalisation: normalisation && {
        factor: reversed(normalisation.factor),
        shift: reversed(normalisation.shift),
      },
    },
    stem: { ...net.stem, weight: withReversedInputs(net.stem) },
  };
}

function withReversedInputs({ weight, dims: [outputs, inputs, height, width] }: ConvLayer): Float32Array {
  const plane = height * width;
  const swapped = new Float32Array(weight.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      const from = (o * inputs + i) * plane;
      swapped.set(weight.subarray(from, from + plane), (o * inputs + inputs - 1 - i) * plane);
    }
  }
  return swapped;
}

/**
 * Mean and standard deviation, for pixels in 0..1 and in the order RGB, of what the first convolution expects: the given
 * normalisation, then that of the graph.
 * @throws CommandError when a channel would be inverted or constant.
 */
export function choosePixelStatistics(
  { input }: ResNet,
  options: NormalisationOptions,
): Pick<Preprocessing, "mean" | "std"> {
  const { normalisation, channels } = input;
  const isLarge = [...(options.mean ?? []), ...(options.std ?? [])].some((value) => Math.abs(value) > 2);
  if (isLarge && options.inputRange === undefined && normalisation === null) {
    throw new CommandError(
      "The mean or standard deviation is over 2, as for levels of 0 to 255; add --input-range 0,255, or give them for pixels of 0 to 1.",
    );
  }
  const isGiven = options.inputRange ?? options.mean ?? options.std ?? normalisation;
  const inOrder = (values: Triple) => (channels === "BGR" ? reversed(values) : values);
  const [low, high] = options.inputRange ?? (takesLevels(normalisation) ? [0, 255] : [0, 1]);
  const mean = isGiven ? inOrder(options.mean ?? zeros) : imageNet.mean;
  const std = isGiven ? inOrder(options.std ?? ones) : imageNet.std;
  const { factor, shift } = normalisation ?? { factor: ones, shift: zeros };
  const range = high - low;
  const statistics = {
    mean: each((c) => (mean[c] - low) / range - (shift[c] * std[c]) / (factor[c] * range)),
    std: each((c) => std[c] / (factor[c] * range)),
  };
  if (statistics.std.every((value) => value > 0 && Number.isFinite(value))) return statistics;
  throw new CommandError(
    `The normalisation divides by ${statistics.std.join(", ")} in all; expected positive numbers. Check --std and --input-range.`,
  );
}

/** Whether a graph's normalisation is for levels of 0..255: for pixels of 0..1, mean and deviation are below 2. */
function takesLevels(normalisation: Affine | null): boolean {
  if (normalisation === null) return false;
  const { factor, shift } = normalisation;
  return factor.some((value, c) => Math.abs(1 / value) > 2 || Math.abs(shift[c]! / value) > 2);
}

/**
 * The source model's input for a pack's input [3, height, width]: before the graph's own normalisation, and in the source's
 * order of channels.
 */
export function sourceInput(
  tensor: Float32Array,
  { normalisation, channels }: ResNet["input"],
): Float32Array {
  if (normalisation === null && channels === "RGB") return tensor;
  const { factor, shift } = normalisation ?? { factor: ones, shift: zeros };
  const inverse = { factor: each((c) => 1 / factor[c]), shift: each((c) => -shift[c] / factor[c]) };
  return transformed(tensor, inverse, channels === "BGR");
}

/** Applies an affine function to each plane of [3, height, width], and puts the planes in reverse order. */
function transformed(tensor: Float32Array, { factor, shift }: Affine, reverse: boolean): Float32Array {
  const plane = tensor.length / 3;
  const result = new Float32Array(tensor.length);
  for (const c of [0, 1, 2] as const) {
    const to = (reverse ? 2 - c : c) * plane;
    for (let i = 0; i < plane; i++) result[to + i] = factor[c] * tensor[c * plane + i]! + shift[c];
  }
  return result;
}

/** A tensor [3, height, width] as another normalisation makes it from the same pixels. */
export function renormalised(
  tensor: Float32Array,
  from: Pick<Preprocessing, "mean" | "std">,
  to: Pick<Preprocessing, "mean" | "std">,
): Float32Array {
  const factor = each((c) => from.std[c] / to.std[c]);
  return transformed(tensor, { factor, shift: each((c) => (from.mean[c] - to.mean[c]) / to.std[c]) }, false);
}
