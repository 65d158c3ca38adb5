/** Runs images through the folded float32 network and chooses the range of every quantised activation. */
import type { Preprocessing } from "../../src/model/manifest.ts";
import { writeOnnx } from "../onnx/write.ts";
import { CommandError } from "../terminal/fail.ts";
import { floatGraph } from "./float-graph.ts";
import { Histogram } from "./histogram.ts";
import type { ImageSet } from "./images.ts";
import { nativeSession } from "./native.ts";
import { type ActivationRange, pixelRange } from "./quantise.ts";
import { inputKey, rangeKeys } from "./quantised-graph.ts";
import { searchRange } from "./range-search.ts";
import type { ResNet } from "./resnet.ts";
import { sharpened } from "./sharpen.ts";

/** Every such image also runs sharpened. More of them cost typical images more resolution than extreme ones gain. */
const sharpenedEvery = 8;

/**
 * Chooses the ranges that quantisedGraph needs. Images run one at a time, so memory does not grow with their number.
 * @param onImage Called after each image.
 */
export async function calibrate(
  net: ResNet,
  images: ImageSet,
  preprocessing: Preprocessing,
  onImage: (done: number, total: number) => void = () => {},
): Promise<Map<string, ActivationRange>> {
  const size = preprocessing.crop;
  const probes = rangeKeys(net);
  const histograms = new Map(probes.map((name) => [name, new Histogram()]));
  const session = await nativeSession(writeOnnx(floatGraph(net, { size, probes }).graph));
  try {
    const add = async (tensor: Float32Array) => {
      const outputs = await session.run(tensor, [1, 3, size, size]);
      for (const [name, histogram] of histograms) addWeighted(histogram, outputs.get(name)!.data, name);
    };
    for (let index = 0; index < images.count; index++) {
      const tensor = await images.tensor(index);
      await add(tensor);
      if (index % sharpenedEvery === 0) await add(sharpened(tensor, preprocessing));
      onImage(index + 1, images.count);
    }
  } finally {
    await session.release();
  }
  const ranges = new Map([[inputKey, pixelRange(preprocessing)]]);
  for (const [name, histogram] of histograms) ranges.set(name, searchRange(histogram));
  return ranges;
}

/**
 * Weights each image with one over the root mean square of its activation. Without weights, the few images that excite a
 * network ten times as much as the rest decide every range; with one over the mean square, they are clipped too much.
 */
function addWeighted(histogram: Histogram, values: Float32Array, name: string): void {
  let squares = 0;
  for (const value of values) squares += value * value;
  if (!Number.isFinite(squares)) {
    throw new CommandError(
      `The activation "${name}" is not finite for some calibration image; expected a trained model. Check that the model gives sensible results in float32.`,
    );
  }
  if (squares > 0) histogram.add(values, Math.sqrt(values.length / squares));
}
