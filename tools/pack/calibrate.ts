/** Runs images through the folded float32 network and chooses the range of every activation that is quantised. */
import type { Preprocessing } from "../../src/model/manifest.ts";
import { writeOnnx } from "../onnx/write.ts";
import { PackError } from "./errors.ts";
import { floatGraph } from "./float-graph.ts";
import { Histogram } from "./histogram.ts";
import type { ImageSet } from "./images.ts";
import { nativeSession } from "./native.ts";
import { type ActivationRange, pixelRange } from "./quantise.ts";
import { inputKey, rangeKeys } from "./quantised-graph.ts";
import { searchRange } from "./range-search.ts";
import type { ResNet } from "./resnet.ts";

export interface CalibrationOptions {
  preprocessing: Preprocessing;
  /** Called after each image. */
  onImage?: (done: number, total: number) => void;
}

/** Ranges by value, as quantisedGraph takes them. */
export async function calibrate(
  net: ResNet,
  images: ImageSet,
  options: CalibrationOptions,
): Promise<Map<string, ActivationRange>> {
  const { preprocessing, onImage } = options;
  const histograms = await collectHistograms(net, images, preprocessing.crop, onImage);
  const ranges = new Map([[inputKey, pixelRange(preprocessing)]]);
  for (const [name, histogram] of histograms) ranges.set(name, searchRange(histogram));
  return ranges;
}

/** A histogram of each of rangeKeys. Images run one at a time, so memory does not grow with their number. */
export async function collectHistograms(
  net: ResNet,
  images: ImageSet,
  size: number,
  onImage: CalibrationOptions["onImage"] = () => {},
): Promise<Map<string, Histogram>> {
  const probes = rangeKeys(net);
  const histograms = new Map(probes.map((name) => [name, new Histogram()]));
  const { graph } = floatGraph(net, { size, batch: 1, probes });
  const session = await nativeSession(writeOnnx(graph));
  try {
    for (let index = 0; index < images.count; index++) {
      const outputs = await session.run(await images.tensor(index), [1, 3, size, size]);
      for (const [name, histogram] of histograms) addWeighted(histogram, outputs.get(name)!.data, name);
      onImage(index + 1, images.count);
    }
  } finally {
    await session.release();
  }
  return histograms;
}

/**
 * Each image counts with one over the root mean square of its activation. Unweighted, the few images that excite a
 * network ten times as much as the rest decide every range; weighted by the square, they are clipped to nonsense.
 */
function addWeighted(histogram: Histogram, values: Float32Array, name: string): void {
  let squares = 0;
  for (const value of values) squares += value * value;
  if (!Number.isFinite(squares)) {
    throw new PackError(
      `The activation "${name}" is not finite for some calibration image; expected a trained model. Check that the model gives sensible answers in float32.`,
    );
  }
  if (squares > 0) histogram.add(values, Math.sqrt(values.length / squares));
}
