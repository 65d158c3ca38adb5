/** Converts what the Worker cannot decode to JPEG, by the optional Images binding. */
import { readStream, type StreamFault } from "../bytes/read-stream.ts";
import { settleWithin, timedOut } from "../concurrency/timeout.ts";
import { ClassifierError, imageTooLarge } from "../errors.ts";
import { decodedFormats, describeFormat } from "../image/detect.ts";
import { retryAfterSeconds } from "../limits.ts";

/** Time for the Images binding to convert a picture. Large ones take about a second. */
const conversionMs = 10_000;

/** The part of the Images binding that the Worker uses. */
export interface ImageConverter {
  input(stream: ReadableStream<Uint8Array>): {
    output(options: {
      format: "image/jpeg";
      quality: number;
    }): Promise<{ image(): ReadableStream<Uint8Array> }>;
  };
}

/** High enough not to change scores, and low enough to keep the JPEG of a large picture within its limit. */
const quality = 92;

/**
 * Errors 9400 to 9421 of the Images binding are the picture's fault. From 9422 on they are the account's: its free
 * conversions are used up, or it may not use the binding (https://developers.cloudflare.com/images/reference/errors/).
 */
const isPicturesFault = (code: unknown) => typeof code === "number" && code >= 9400 && code < 9422;

/**
 * Converts an image to JPEG.
 * @param bytes an image of a format that isConvertible names
 * @param maxBytes limit of the converted JPEG
 * @param timeoutMs milliseconds for the binding
 * @throws ClassifierError unsupported_image without a binding, image_undecodable, conversion_unavailable, image_too_large
 */
export async function toJpeg(
  bytes: Uint8Array,
  converter: ImageConverter | undefined,
  maxBytes: number,
  timeoutMs = conversionMs,
): Promise<Uint8Array> {
  if (!converter) {
    throw new ClassifierError({
      code: "unsupported_image",
      detected: describeFormat(bytes),
      expected: `${decodedFormats}; for AVIF and HEIC the Worker needs an Images binding named IMAGES, [images] in wrangler.toml`,
    });
  }
  const converted = await settleWithin(convert(bytes, converter, maxBytes, timeoutMs), timeoutMs);
  if (converted === timedOut) throw unavailable(`the Images binding took more than ${timeoutMs} ms`);
  // The client sent a valid picture, so this is not a client error.
  const format = describeFormat(converted);
  if (format !== "a JPEG image") throw unavailable(`the Images binding gave ${format}, not a JPEG`);
  return converted;
}

async function convert(
  bytes: Uint8Array,
  converter: ImageConverter,
  maxBytes: number,
  idleMs: number,
): Promise<Uint8Array> {
  try {
    const output = await converter.input(streamOf(bytes)).output({ format: "image/jpeg", quality });
    // The pace also ends the reading after the caller has given up.
    const pace = { idleMs, minBytesPerSecond: 1 };
    return await readStream(output.image(), { maxBytes, pace, errorOf: outputError });
  } catch (cause) {
    if (cause instanceof ClassifierError) throw cause;
    const { code, message } = Object(cause) as { code?: unknown; message?: unknown };
    if (isPicturesFault(code)) {
      const detail = `it is ${describeFormat(bytes)} that cannot be converted`;
      throw new ClassifierError({ code: "image_undecodable", detail }, { cause });
    }
    throw unavailable(`the Images binding says ${String(message ?? cause).slice(0, 100)}`, cause);
  }
}

function outputError(fault: StreamFault): ClassifierError {
  if (fault.kind === "too_large") return imageTooLarge("bytes", fault.bytes, fault.limit);
  return unavailable(`the Images binding broke off after ${fault.bytes} bytes`, fault.cause);
}

function unavailable(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "conversion_unavailable", detail, retryAfterSeconds }, { cause });
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Response(bytes as BufferSource).body as ReadableStream<Uint8Array>;
}
