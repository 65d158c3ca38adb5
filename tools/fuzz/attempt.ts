/** What the decode path makes of one file, and whether it may. */
import { ClassifierError } from "../../src/errors.ts";
import { decodeDcOnly } from "../../src/image/dc-decoder.ts";
import { dcOnlyCostBytes, jpegJsCostBytes, scaledCostBytes } from "../../src/image/decode-cost.ts";
import { parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { decodeWithJpegJs } from "../../src/image/jpeg-js-decoder.ts";
import { checkJpeg } from "../../src/image/jpeg-scans.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import type { Eighths, RgbImage } from "../../src/image/rgb-image.ts";
import { type ScaledDecoder, scaledSize } from "../../src/image/scaled-decoder.ts";
import { maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";

/** The reasons for which an image may be refused. */
export const refusals = ["empty_body", "image_undecodable", "unsupported_image", "image_too_large"] as const;
export type Outcome = "decoded" | (typeof refusals)[number] | "failed";

/** "front door" is the way that a request takes: the header, the choice of a decoder, Exif, the tensor. */
export const ways = ["front door", "jpeg-js", "scaled 8/8", "scaled 2/8", "scaled 1/8", "DC-only"] as const;
export type Way = (typeof ways)[number];

export interface Attempt {
  readonly way: Way;
  readonly outcome: Outcome;
  /** Of a refusal: what the client is told. */
  readonly detail?: string;
  /** What must never happen, where it did: an exception of another kind, or pixels that are none. */
  readonly fault?: string;
  /** Of the front door: the decoder that it chose. */
  readonly decoder?: string;
  readonly ms: number;
}

export interface AttemptOptions {
  readonly scaled: ScaledDecoder;
  readonly preprocessing: Preprocessing;
}

const limits = { maxPixels: maxImagePixels, maxDecodeBytes };

/** As a request would have it; then each decoder by itself, where its memory is within the limit. */
export function attemptEveryWay(bytes: Uint8Array, options: AttemptOptions): Attempt[] {
  const first = attempt("front door", () => throughFrontDoor(bytes, options));
  return [first, ...waysWithin(bytes, options).map(({ way, run }) => attempt(way, run))];
}

function throughFrontDoor(bytes: Uint8Array, { scaled, preprocessing }: AttemptOptions): string {
  const { tensor, width, height, decode } = imageToTensor(bytes, preprocessing, { ...limits, scaled });
  if (!tensor.every(Number.isFinite)) throw new Error("the tensor holds numbers that are not finite");
  if (width * height < 1 || width * height > maxImagePixels)
    throw new Error(`the size is ${width}x${height}`);
  return decode.decoder;
}

interface Run {
  readonly way: Way;
  readonly run: () => undefined;
}

function waysWithin(bytes: Uint8Array, { scaled }: AttemptOptions): Run[] {
  const runs: Run[] = [];
  try {
    const header = parseJpegHeader(bytes);
    if (header.width * header.height > maxImagePixels) return [];
    const checked = () => checkJpeg(bytes, header);
    const add = (way: Way, costBytes: number, eighths: Eighths, decode: () => RgbImage) => {
      const size = scaledSize(header, eighths);
      const run = () => requireSize(decode(), size.width, size.height);
      if (costBytes <= maxDecodeBytes) runs.push({ way, run });
    };
    add("jpeg-js", jpegJsCostBytes(header), 8, () => decodeWithJpegJs(checked()));
    for (const eighths of [8, 2, 1] as const) {
      const cost = scaledCostBytes(header, bytes.length, eighths);
      add(`scaled ${eighths}/8`, cost, eighths, () => scaled.decode(checked(), eighths));
    }
    add("DC-only", dcOnlyCostBytes(header), 1, () => decodeDcOnly(checked()));
  } catch (error) {
    // The front door has told what is wrong with the header.
    if (!(error instanceof ClassifierError)) throw error;
  }
  return runs;
}

function requireSize(
  { width, height, data }: RgbImage,
  expectedWidth: number,
  expectedHeight: number,
): undefined {
  if (width === expectedWidth && height === expectedHeight && data.length === width * height * 3) return;
  throw new Error(
    `got ${width}x${height} in ${data.length} bytes, expected ${expectedWidth}x${expectedHeight}`,
  );
}

function attempt(way: Way, run: () => string | undefined): Attempt {
  const startedMs = performance.now();
  const done = () => ({ way, ms: performance.now() - startedMs });
  try {
    const decoder = run();
    return { ...done(), outcome: "decoded", ...(decoder === undefined ? {} : { decoder }) };
  } catch (error) {
    if (!(error instanceof ClassifierError)) {
      const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { ...done(), outcome: "failed", fault };
    }
    const outcome = refusals.find((code) => code === error.reason.code);
    if (outcome === undefined) return { ...done(), outcome: "failed", fault: error.message };
    return { ...done(), outcome, detail: error.message };
  }
}
