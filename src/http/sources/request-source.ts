/** The images in a request body: the bytes of one image, a multipart form, or JSON, by the Content-Type. */

import {
  getMultipartBoundary,
  MaxPartsExceededError,
  MultipartParseError,
  MultipartParser,
  type MultipartPart,
} from "@remix-run/multipart-parser";
import type { z } from "zod";
import { JsonError, type JsonLimits, parseJson } from "../../bytes/bounded-json.ts";
import { base64ToBytes, freeBytes } from "../../bytes/byte-arrays.ts";
import {
  chunksOf,
  contentLength,
  joinChunks,
  type Reading,
  readStream,
  type StreamFault,
} from "../../bytes/read-stream.ts";
import type { ImageSource, SourceContent } from "../../classifier/score.ts";
import { ClassifierError, imageTooLarge } from "../../errors.ts";
import { checkLimit } from "../../image/rgb-image.ts";
import { jsonBodyFactor, maxJsonBodyBytes, maxSmallBodyBytes } from "../../limits.ts";

/** What a route accepts beside the bytes of one image. */
export interface AcceptedBodies<T> {
  readonly json?: JsonImage<T>;
  readonly multipart?: boolean;
}

/**
 * Returns a source for the images of a request body. Any Content-Type that the route does not accept as JSON or as a form
 * counts as the bytes of one image, because clients send all kinds of types. The bytes tell the format.
 * @throws ClassifierError image_too_large, empty_body, from the headers alone
 */
export function requestSource<T>(
  request: Request,
  maxImageBytes: number,
  { json, multipart }: AcceptedBodies<T> = {},
): ImageSource {
  const contentType = request.headers.get("Content-Type") ?? "";
  const jsonImage = json && /^application\/json\s*(;|$)/i.test(contentType) ? json : undefined;
  const isForm = multipart && /^multipart\/form-data\s*(;|$)/i.test(contentType);
  const limit = jsonImage ? jsonLimitBytes(maxImageBytes) : maxImageBytes;
  const { body, ...reading } = readingOf(request, limit);
  const maxBytes = reading.expectedBytes ?? limit;
  if (jsonImage) {
    return {
      maxBytes: maxBytes * jsonBodyFactor,
      read: async (permit, signal) => {
        const bytes = await readStream(body, { ...reading, room: permit });
        let value: T;
        try {
          await permit.growTo(bytes.length * jsonBodyFactor, signal);
          value = parseJsonBody(bytes, jsonImage, jsonLimits);
        } finally {
          freeBytes(bytes);
        }
        const { expected } = jsonImage;
        return jsonImage.contentOf(value, (base64) => decodeBase64(base64, maxImageBytes, expected));
      },
    };
  }
  return {
    maxBytes,
    read: async (room) => ({
      images: isForm
        ? await readImageParts(chunksOf(body, { ...reading, room }), contentType)
        : [await readStream(body, { ...reading, room })],
    }),
  };
}

/** Bytes of JSON around the base64. */
const jsonFrameBytes = 4096;

function jsonLimitBytes(maxImageBytes: number): number {
  return Math.min(maxJsonBodyBytes, Math.ceil(maxImageBytes / 3) * 4 + jsonFrameBytes);
}

/**
 * The slowest pace of a body. It holds memory that others wait for, so it counts as broken off after `idleMs` without a
 * byte. At this pace 16 MiB take about two minutes.
 */
const pace = { idleMs: 10_000, minBytesPerSecond: 128 * 1024 };
/** Small bodies hold little memory. They get more time, for clients behind a network or a proxy that is overloaded. */
const smallBodyPace = { ...pace, idleMs: 30_000 };

/**
 * Checks what the headers announce, and says how to read the body.
 * @throws ClassifierError image_too_large, empty_body
 */
function readingOf(
  request: Request,
  maxBytes: number,
): Omit<Reading, "room"> & { readonly body: ReadableStream<Uint8Array> } {
  const { body, signal, headers } = request;
  const expectedBytes = contentLength(headers);
  if (expectedBytes !== undefined && expectedBytes > maxBytes)
    throw imageTooLarge("bytes", expectedBytes, maxBytes);
  if (!body || expectedBytes === 0) throw new ClassifierError({ code: "empty_body" });
  const isSmall = (expectedBytes ?? maxBytes) <= maxSmallBodyBytes;
  return { body, maxBytes, expectedBytes, pace: isSmall ? smallBodyPace : pace, signal, errorOf: bodyError };
}

function bodyError(fault: StreamFault): ClassifierError {
  if (fault.kind === "too_large") return imageTooLarge("bytes", fault.bytes, fault.limit);
  const { bytes: measured, detail, cause } = fault;
  return new ClassifierError({ code: "body_interrupted", measured, detail }, { cause });
}

/** Such a body is an object or two with a handful of keys. The limits leave room for a clear error about other shapes. */
const jsonLimits: JsonLimits = { maxDepth: 8, maxStructure: 64 };

/** The JSON body that a route accepts. */
export interface JsonImage<T> {
  readonly schema: z.ZodType<T>;
  /** The shape that the body should have, for the error. */
  readonly expected: string;
  /** Converts the parsed body. `decode` decodes an image in base64. */
  contentOf(value: T, decode: (base64: string) => Uint8Array): SourceContent | Promise<SourceContent>;
}

/**
 * Parses a JSON body.
 * @throws ClassifierError malformed_body
 */
export function parseJsonBody<T>(
  bytes: Uint8Array,
  { schema, expected }: Pick<JsonImage<T>, "schema" | "expected">,
  limits: JsonLimits,
): T {
  const malformed = (detail: string, cause?: unknown) =>
    new ClassifierError({ code: "malformed_body", detail, expected }, { cause });
  let json: unknown;
  try {
    json = parseJson(bytes, limits);
  } catch (cause) {
    if (cause instanceof JsonError) throw malformed(`it ${cause.message}`, cause);
    throw cause;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".");
  throw malformed(field ? `its field ${field} is wrong: ${issue?.message}` : "it is JSON of another shape");
}

/**
 * Decodes an image in base64 of the standard alphabet, with or without padding, with or without the prefix of a data: URL.
 * @param expected the shape that the body should have, for the error
 * @throws ClassifierError malformed_body, empty_body, image_too_large
 */
export function decodeBase64(text: string, maxBytes: number, expected: string): Uint8Array {
  const malformed = (detail: string) => new ClassifierError({ code: "malformed_body", detail, expected });
  const base64 = text.replace(/^data:[\w.+-]+\/[\w.+-]+;base64,/i, "");
  if (base64.length === 0) throw new ClassifierError({ code: "empty_body" });
  if (/\s/.test(base64)) throw malformed("the image has white space or line breaks in its base64");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw malformed("the image is not base64 of the standard alphabet");
  const padding = base64.endsWith("=") ? "" : "=".repeat(-base64.length & 3);
  const bytes = padding.length === 3 ? undefined : base64ToBytes(base64 + padding);
  if (!bytes) throw malformed("the base64 of the image is cut short");
  checkLimit("bytes", bytes.length, maxBytes);
  return bytes;
}

/** At 0.1 s per image, the last of eight is answered within a second. */
const maxImagesPerRequest = 8;
const maxPartHeaderBytes = 8 * 1024;

const expectedForm = "multipart/form-data whose parts are all named image, each with the bytes of one image";

/**
 * The images of a multipart body, each in a buffer of its own.
 * @param chunks the body, already bounded: it is all that the images together can occupy
 * @throws ClassifierError malformed_body, too_many_images, and what `chunks` throws
 */
export async function readImageParts(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
): Promise<Uint8Array[]> {
  const boundary = getMultipartBoundary(contentType)?.trim();
  // RFC 2046, 5.1.1: 1 to 70 characters.
  if (!boundary || !/^[\x20-\x7e]{1,70}$/.test(boundary))
    throw malformedForm("Content-Type names no boundary");
  const parser = new MultipartParser(boundary, {
    maxHeaderSize: maxPartHeaderBytes,
    maxParts: maxImagesPerRequest,
    // The chunks are bounded already.
    maxFileSize: Number.MAX_SAFE_INTEGER,
    maxTotalSize: Number.MAX_SAFE_INTEGER,
  });
  const images: Uint8Array[] = [];
  try {
    for await (const chunk of chunks) {
      for (const part of partsOf(parser, chunk)) images.push(imageOf(part));
    }
    parser.finish();
  } catch (error) {
    images.forEach(freeBytes);
    if (error instanceof MaxPartsExceededError) {
      const [measured, limit] = [maxImagesPerRequest + 1, maxImagesPerRequest];
      throw new ClassifierError({ code: "too_many_images", measured, limit });
    }
    // The parser throws a TypeError for headers of a part that are not UTF-8.
    if (error instanceof MultipartParseError || error instanceof TypeError) {
      throw malformedForm(error.message.replace(/\.$/, ""), error);
    }
    throw error;
  }
  if (images.length === 0) throw malformedForm("it has no parts");
  return images;
}

/** Ignores data after the closing boundary, as RFC 2046 requires. The parser reports it as an error. */
function* partsOf(parser: MultipartParser, chunk: Uint8Array): Generator<MultipartPart> {
  try {
    yield* parser.write(chunk);
  } catch (error) {
    if (!isFinished(parser)) throw error;
  }
}

function isFinished(parser: MultipartParser): boolean {
  try {
    parser.finish();
    return true;
  } catch {
    return false;
  }
}

function imageOf(part: MultipartPart): Uint8Array {
  if (part.name !== "image") {
    throw malformedForm(`it has a part named ${JSON.stringify(part.name?.slice(0, 100) ?? "")}`);
  }
  // A copy, because several parts can share a chunk, and each image is freed separately.
  return joinChunks(part.content);
}

function malformedForm(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "malformed_body", detail, expected: expectedForm }, { cause });
}
