/** The images in a request body: the bytes of one image, a multipart form, or JSON, by the Content-Type. */
import { freeBytes } from "../../bytes/free-bytes.ts";
import {
  chunksOf,
  contentLength,
  type Reading,
  readStream,
  type StreamFault,
} from "../../bytes/read-stream.ts";
import type { ImageSource } from "../../classifier/score.ts";
import { ClassifierError, tooManyBytes } from "../../errors.ts";
import { jsonBodyFactor, maxJsonBodyBytes, maxSmallBodyBytes } from "../../limits.ts";
import { decodeBase64, type JsonImage, parseJsonImage } from "./json.ts";
import { readImageParts } from "./multipart.ts";

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
          value = parseJsonImage(bytes, jsonImage);
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
  if (expectedBytes !== undefined && expectedBytes > maxBytes) throw tooManyBytes(expectedBytes, maxBytes);
  if (!body || expectedBytes === 0) throw new ClassifierError({ code: "empty_body" });
  const isSmall = (expectedBytes ?? maxBytes) <= maxSmallBodyBytes;
  return { body, maxBytes, expectedBytes, pace: isSmall ? smallBodyPace : pace, signal, errorOf: bodyError };
}

function bodyError(fault: StreamFault): ClassifierError {
  if (fault.kind === "too_large") return tooManyBytes(fault.bytes, fault.limit);
  const { bytes: measured, detail, cause } = fault;
  return new ClassifierError({ code: "body_interrupted", measured, detail }, { cause });
}
