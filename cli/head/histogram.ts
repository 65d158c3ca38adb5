/** Baseline: what colours alone tell. If a head is hardly better than this, the backbone does not help on these images. */
import { decodeJpeg } from "../../src/image/decode.ts";
import { resizeAndCrop, resizedSize } from "../../src/image/resize.ts";
import { collectRows, type RgbImage, type Size } from "../../src/image/rgb-image.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { type Dataset, readImage } from "./dataset.ts";
import type { Sample } from "./rows.ts";

/** Levels of each channel: 8 x 8 x 8 bins, as many numbers as ResNet34 has features. */
const levels = 8;

/** @returns [levels ** 3]: square roots of the shares, so that Euclidean distances are Hellinger's */
export function colourHistogram({ data }: RgbImage): Float32Array {
  const counts = new Float32Array(levels ** 3);
  const levelOf = (value: number) => (value * levels) >> 8;
  for (let i = 0; i < data.length; i += 3) {
    counts[(levelOf(data[i]!) * levels + levelOf(data[i + 1]!)) * levels + levelOf(data[i + 2]!)]! += 1;
  }
  const pixels = data.length / 3;
  return counts.map((count) => Math.sqrt(count / pixels));
}

/** The same images, seen as colour histograms of what the model is shown of them. */
export async function histogramSamples(
  dataset: Dataset,
  samples: readonly Sample[],
  preprocessing: Preprocessing,
): Promise<Sample[]> {
  const described: Sample[] = [];
  for (const sample of samples) {
    const bytes = await readImage(dataset, sample);
    const targetOf = (fullSize: Size) => resizedSize(fullSize, preprocessing);
    const shown = decodeJpeg(bytes, targetOf, decodeLimits, (rows, frame) => {
      return resizeAndCrop(collectRows(rows), preprocessing, frame);
    });
    described.push({ ...sample, views: [colourHistogram(shown)] });
  }
  return described;
}
