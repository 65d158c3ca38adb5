/** Request bodies: what their headers announce, and their bytes. */
import { type Pace, type Reading, type Room, readStream, type StreamFault } from "../../bytes/read-stream.ts";
import { ClassifierError, tooManyBytes } from "../../errors.ts";
import { maxSmallBodyBytes } from "../../limits.ts";
import { contentLength } from "../../remote/fetch-image.ts";

/**
 * Time without a byte after which a body counts as broken off, because it holds memory that others wait for; and the
 * slowest pace beyond it, at which 16 MiB take about two minutes.
 */
const pace: Pace = { idleMs: 10_000, minBytesPerSecond: 128 * 1024 };
/** Small bodies hold little memory. They get more time, for clients behind a network or a proxy that is overloaded. */
const smallBodyPace: Pace = { ...pace, idleMs: 30_000 };

/** A body that has not been read. */
export interface Body {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes that Content-Length announces, or else the limit. */
  readonly maxBytes: number;
  readonly reading: Reading;
}

/**
 * Checks what the headers announce, before anything is read.
 * @param limit bytes that the body may have
 * @throws ClassifierError image_too_large, empty_body
 */
export function bodyOf(request: Request, limit: number): Body {
  const announced = contentLength(request.headers);
  if (announced !== undefined && announced > limit) throw tooManyBytes(announced, limit);
  if (!request.body || announced === 0) throw new ClassifierError({ code: "empty_body" });
  const { body: stream, signal } = request;
  const maxBytes = announced ?? limit;
  const reading: Reading = {
    maxBytes: limit,
    expectedBytes: announced,
    pace: maxBytes <= maxSmallBodyBytes ? smallBodyPace : pace,
    signal,
    errorOf: bodyError,
  };
  return { stream, maxBytes, reading };
}

/**
 * Reads a whole body.
 * @param room grows as bytes arrive
 * @throws ClassifierError image_too_large, body_interrupted, and what `room` throws
 */
export function readBody({ stream, reading }: Body, room: Room): Promise<Uint8Array> {
  return readStream(stream, { ...reading, room });
}

/** The error for a fault of a request body. */
export function bodyError(fault: StreamFault): ClassifierError {
  if (fault.kind === "too_large") return tooManyBytes(fault.bytes, fault.limit);
  const { bytes, detail, cause } = fault;
  return new ClassifierError({ code: "body_interrupted", bytes, detail }, { cause });
}
