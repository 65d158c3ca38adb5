/** Decodes one file in every way, and tells whether the results are allowed. */
import { ClassifierError } from "../../src/errors.ts";
import { decodeImage } from "../../src/image/decode.ts";
import { scaledSize } from "../../src/image/jpeg/component.ts";
import { decodeCostBytes, JpegRows } from "../../src/image/jpeg/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { type CheckedJpeg, checkJpeg } from "../../src/image/jpeg/scans.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { type DecodedFrame, type Eighths, pushRows, type RowSink } from "../../src/image/rgb-image.ts";
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

/** Decodes as a request does, and then all rows at each scale, where memory and time are within limits. */
export async function attemptEveryWay(bytes: Uint8Array, preprocessing: Preprocessing): Promise<Attempt[]> {
  const attempts = [await attempt("request", () => decodeAsRequest(bytes, preprocessing))];
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  const jpeg = isJpeg ? checkedJpeg(bytes) : undefined;
  if (!isJpeg) attempts.push(await attempt("all rows, not JPEG", () => decodeAllRows(bytes)));
  if (!jpeg) return attempts;
  const scales = ([8, 4, 2, 1] as const).filter((eighths) => {
    const { width, height } = scaledSize(jpeg.header, eighths);
    return decodeCostBytes(jpeg, eighths) <= maxDecodeBytes && width * height <= quickPixels;
  });
  for (const eighths of scales) attempts.push(await attempt(`${eighths}/8`, () => decodeAll(jpeg, eighths)));
  return attempts;
}

async function decodeAsRequest(bytes: Uint8Array, preprocessing: Preprocessing): Promise<number> {
  const { tensor, width, height, decode } = await imageToTensor(bytes, preprocessing, decodeLimits);
  if (!tensor.every(Number.isFinite)) throw new Error("the tensor has values that are not finite");
  if (decode.costBytes > maxDecodeBytes) throw new Error(`the decode allocated ${decode.costBytes} bytes`);
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

/** Takes all rows and checks their length. */
class RowCounter implements RowSink {
  readonly firstRow = 0;
  readonly endRow: number;
  readonly #width: number;
  #rows = 0;

  constructor({ width, height }: { readonly width: number; readonly height: number }) {
    this.endRow = height;
    this.#width = width;
  }

  push({ length }: Uint8Array | Uint8ClampedArray): void {
    if (length !== this.#width * 3)
      throw new Error(`row ${this.#rows} of ${this.#width} pixels has ${length} bytes`);
    this.#rows++;
  }

  /** @throws Error if rows are missing, or if there were too many */
  finish(): void {
    if (this.#rows !== this.endRow) throw new Error(`got ${this.#rows} rows, expected ${this.endRow}`);
  }
}

function decodeAll(jpeg: CheckedJpeg, eighths: Eighths): undefined {
  const rows = new JpegRows(jpeg, eighths);
  try {
    const sink = new RowCounter(scaledSize(jpeg.header, eighths));
    pushRows(rows, sink);
    sink.finish();
    rows.finish();
  } finally {
    rows.free();
  }
}

async function decodeAllRows(bytes: Uint8Array): Promise<undefined> {
  const limits = { ...decodeLimits, maxPixels: quickPixels };
  const sinkFor = ({ size }: DecodedFrame) => new RowCounter(size);
  const { sink } = await decodeImage(bytes, (fullSize) => fullSize, limits, sinkFor);
  sink.finish();
}

async function attempt(
  way: string,
  run: () => number | undefined | Promise<number | undefined>,
): Promise<Attempt> {
  const startedMs = performance.now();
  const done = () => ({ way, ms: performance.now() - startedMs });
  try {
    const scale = await run();
    return { ...done(), outcome: "decoded", ...(scale === undefined ? {} : { scale }) };
  } catch (error) {
    const reason = error instanceof ClassifierError ? error.reason.code : undefined;
    const outcome = refusals.find((code) => code === reason);
    const { message, stack = message } = error as Error;
    if (outcome !== undefined) return { ...done(), outcome, detail: message };
    return { ...done(), outcome: "failed", fault: stack };
  }
}
