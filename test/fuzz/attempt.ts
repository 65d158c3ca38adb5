/** Decodes one file in every way, and tells whether the results are allowed. */
import { ClassifierError } from "../../src/errors.ts";
import { scaledSize } from "../../src/image/jpeg/component.ts";
import { decodeCostBytes, JpegRows } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { type CheckedJpeg, checkJpeg } from "../../src/image/jpeg/scans.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import type { Eighths } from "../../src/image/rgb-image.ts";
import { decodeLimits, maxDecodeBytes, maxImagePixels } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import type { Trial } from "./run.ts";

/** The reasons for which an image may be refused. */
const refusals = ["empty_body", "image_undecodable", "unsupported_image", "image_too_large"] as const;

/** One attempt at a file, in a way of its own: "request" does what a request does; "4/8" decodes at that scale. */
export interface Attempt extends Trial {
  /** Why the image was refused. */
  readonly detail?: string;
  /** The scale that a request chose, 0.125 to 1. */
  readonly scale?: number;
}

/** The input of the embedded model's size class: small, so that a run spends its time on decoding. */
export const fuzzPreprocessing: Preprocessing = {
  resize: "shortest-edge",
  interpolation: "bilinear",
  color: "RGB",
  size: 73,
  crop: 64,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** Images with more pixels at a scale are not decoded there: a run of thousands of files would take hours. */
const quickPixels = 4_000_000;

/** Decodes as a request does, and then at each scale, where its memory and time are within limits. */
export function attemptEveryWay(bytes: Uint8Array, preprocessing: Preprocessing): Attempt[] {
  const first = attempt("request", () => decodeAsRequest(bytes, preprocessing));
  const jpeg = checkedJpeg(bytes);
  if (!jpeg) return [first];
  const scales = ([8, 4, 2, 1] as const).filter((eighths) => {
    const { width, height } = scaledSize(jpeg.header, eighths);
    return decodeCostBytes(jpeg, eighths) <= maxDecodeBytes && width * height <= quickPixels;
  });
  return [first, ...scales.map((eighths) => attempt(`${eighths}/8`, () => decodeAll(jpeg, eighths)))];
}

function decodeAsRequest(bytes: Uint8Array, preprocessing: Preprocessing): number {
  const { tensor, width, height, decode } = imageToTensor(bytes, preprocessing, decodeLimits);
  if (!tensor.every(Number.isFinite)) throw new Error("the tensor has values that are not finite");
  if (width * height < 1 || width * height > maxImagePixels)
    throw new Error(`the size is ${width}x${height}`);
  return decode.eighths / 8;
}

/** Undefined for a file that is refused. The attempt as a request reports the reason. */
function checkedJpeg(bytes: Uint8Array): CheckedJpeg | undefined {
  try {
    const header = parseJpegHeader(bytes);
    return header.width * header.height > maxImagePixels ? undefined : checkJpeg(bytes, header);
  } catch (error) {
    if (error instanceof ClassifierError) return undefined;
    throw error;
  }
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

function attempt(way: string, run: () => number | undefined): Attempt {
  const startedMs = performance.now();
  const done = () => ({ way, ms: performance.now() - startedMs });
  try {
    const scale = run();
    return { ...done(), outcome: "decoded", ...(scale === undefined ? {} : { scale }) };
  } catch (error) {
    const reason = error instanceof ClassifierError ? error.reason.code : undefined;
    const outcome = refusals.find((code) => code === reason);
    const { message, stack = message } = error as Error;
    if (outcome !== undefined) return { ...done(), outcome, detail: message };
    return { ...done(), outcome: "failed", fault: stack };
  }
}
