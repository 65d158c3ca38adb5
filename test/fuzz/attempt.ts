/** What the decode path makes of one file, and whether it may. */
import { ClassifierError } from "../../src/errors.ts";
import { decodeCostBytes } from "../../src/image/choose-scale.ts";
import { JpegRows } from "../../src/image/jpeg-decoder.ts";
import { parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { type CheckedJpeg, checkJpeg } from "../../src/image/jpeg-scans.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import type { Eighths, Size } from "../../src/image/rgb-image.ts";
import { scaledSize } from "../../src/image/scaled-frame.ts";
import { decodeLimits, maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";

/** The reasons for which an image may be refused. */
export const refusals = ["empty_body", "image_undecodable", "unsupported_image", "image_too_large"] as const;
export type Outcome = "decoded" | (typeof refusals)[number] | "failed";

/** "request" is the way that a request takes: the header, the choice of a scale, Exif, the tensor. */
export const ways = ["request", "8/8", "4/8", "2/8", "1/8"] as const;
export type Way = (typeof ways)[number];

export interface Attempt {
  readonly way: Way;
  readonly outcome: Outcome;
  /** Of a refusal: what the client is told. */
  readonly detail?: string;
  /** What must never happen, where it did: an exception of another kind, or pixels that are none. */
  readonly fault?: string;
  /** Of the request: the scale that it chose, 0.125 to 1. */
  readonly scale?: number;
  readonly ms: number;
}

/** As a request would have it; then at each scale, where its memory and time are within limits. */
export function attemptEveryWay(bytes: Uint8Array, preprocessing: Preprocessing): Attempt[] {
  const first = attempt("request", () => decodeAsRequest(bytes, preprocessing));
  return [first, ...waysWithin(bytes).map(({ way, run }) => attempt(way, run))];
}

function decodeAsRequest(bytes: Uint8Array, preprocessing: Preprocessing): number {
  const { tensor, width, height, decode } = imageToTensor(bytes, preprocessing, decodeLimits);
  if (!tensor.every(Number.isFinite)) throw new Error("the tensor holds numbers that are not finite");
  if (width * height < 1 || width * height > maxImagePixels)
    throw new Error(`the size is ${width}x${height}`);
  return decode.eighths / 8;
}

interface Run {
  readonly way: Way;
  readonly run: () => undefined;
}

function waysWithin(bytes: Uint8Array): Run[] {
  try {
    const header = parseJpegHeader(bytes);
    if (header.width * header.height > maxImagePixels) return [];
    const jpeg = checkJpeg(bytes, header);
    return ([8, 4, 2, 1] as const)
      .filter((eighths) => decodeCostBytes(jpeg, eighths) <= maxDecodeBytes && isQuick(header, eighths))
      .map((eighths) => ({ way: `${eighths}/8`, run: () => decodeAll(jpeg, eighths) }));
  } catch (error) {
    // The request has told what is wrong with the file.
    if (error instanceof ClassifierError) return [];
    throw error;
  }
}

/** Larger images are decoded at these scales in the Worker too, but a run of thousands of files would take hours. */
const quickPixels = 4_000_000;

function isQuick(fullSize: Size, eighths: Eighths): boolean {
  const { width, height } = scaledSize(fullSize, eighths);
  return width * height <= quickPixels;
}

function decodeAll(jpeg: CheckedJpeg, eighths: Eighths): undefined {
  const expected = scaledSize(jpeg.header, eighths);
  const rows = new JpegRows(jpeg, eighths);
  try {
    if (rows.width !== expected.width || rows.height !== expected.height)
      throw new Error(`got ${rows.width}x${rows.height}, expected ${expected.width}x${expected.height}`);
    for (let y = 0; y < rows.height; y++) {
      const { length } = rows.row(y);
      if (length !== rows.width * 3) throw new Error(`row ${y} of ${rows.width} pixels has ${length} bytes`);
    }
    rows.finish();
  } finally {
    rows.free();
  }
}

function attempt(way: Way, run: () => number | undefined): Attempt {
  const startedMs = performance.now();
  const done = () => ({ way, ms: performance.now() - startedMs });
  try {
    const scale = run();
    return { ...done(), outcome: "decoded", ...(scale === undefined ? {} : { scale }) };
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
