/** Reads streams of bytes with limits on their size and their pace. */
import { IdleTimer, timedOut } from "../concurrency/timeout.ts";
import { firstReadBytes } from "../limits.ts";
import { freeBytes } from "./byte-arrays.ts";

/**
 * The slowest pace of a stream: `idleMs` without a byte, or this much behind `minBytesPerSecond`. Only time in which the
 * reader waits for the stream counts.
 */
export interface Pace {
  readonly idleMs: number;
  readonly minBytesPerSecond: number;
  readonly now?: () => number;
}

/** An account of memory, such as the permit of a request (concurrency/admission.ts). */
export interface Room {
  readonly heldBytes: number;
  /** Waits until `bytes` in total may be held. */
  growTo(bytes: number, signal?: AbortSignal): Promise<void>;
}

/** Why a stream was not read to its end. `bytes` is the number of bytes that had arrived. */
export type StreamFault =
  | { readonly kind: "too_large"; readonly bytes: number; readonly limit: number }
  | {
      readonly kind: "interrupted";
      readonly bytes: number;
      readonly detail: string;
      readonly cause?: unknown;
    };

export interface Reading {
  /** Limit of the bytes that may arrive. */
  readonly maxBytes: number;
  /** Builds the error for a fault: only the caller knows whose stream it is. */
  readonly errorOf: (fault: StreamFault) => Error;
  /** Bytes that are announced. More or fewer may arrive. */
  readonly expectedBytes?: number | undefined;
  readonly pace?: Pace | undefined;
  /** Grows as bytes arrive. While it waits, nothing is read and the sender is not timed. */
  readonly room?: Room | undefined;
  /** Aborts the wait for room. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Bytes of one segment. A buffer that doubles would hold up to twice the bytes that have arrived, and three times while it is
 * copied.
 */
const segmentBytes = 256 * 1024;

/**
 * Reads a whole stream into one array. Reads segments and joins them at the end. Each segment is freed when it has been
 * copied, so no chunk of the stream may share its buffer with data that is still needed. Joining holds the bytes twice, in one
 * synchronous step. No image is decoded meanwhile, so the copy uses the memory for decoding and half of the rest of the
 * memory budget (limits.ts).
 * @throws the error that `errorOf` builds, and the errors of `room`
 */
export async function readStream(stream: ReadableStream<Uint8Array>, reading: Reading): Promise<Uint8Array> {
  const reader = byteReader(stream);
  if (reader) return joinChunks(await readSegments(reader, reading));
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(stream, reading)) chunks.push(chunk);
  return joinChunks(chunks);
}

/**
 * Returns the length that the headers of a message announce for its body. Undefined if there is none or it is not a
 * number, or if Transfer-Encoding is present: the chunks alone then delimit the body (RFC 9112, 6.3).
 */
export function contentLength(headers: Headers): number | undefined {
  const value = headers.get("Content-Length");
  if (value === null || headers.has("Transfer-Encoding")) return undefined;
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Returns a BYOB reader if the stream is a byte stream, as request bodies are in workerd. */
export function byteReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  if (stream.locked) return undefined;
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

async function readSegments(reader: ReadableStreamBYOBReader, reading: Reading): Promise<Uint8Array[]> {
  const reads = new BoundedReads(reading);
  const segments: Uint8Array[] = [];
  let segment = new Uint8Array(0);
  let filled = 0;
  try {
    for (;;) {
      if (filled === segment.length) {
        if (filled > 0) segments.push(segment);
        const bytes = nextSegmentBytes(reads.bytes, reading);
        if (bytes > 1) await reads.makeRoom(reads.bytes + bytes);
        segment = new Uint8Array(bytes);
        filled = 0;
      }
      const { done, value } = await reads.next(reader.read(segment.subarray(filled)));
      // If the stream has been cancelled elsewhere, the buffer is not returned.
      if (!value) throw reads.interrupted("the connection was lost");
      // A read transfers the buffer and returns it as another object.
      segment = new Uint8Array(value.buffer);
      filled += value.length;
      if (!done) continue;
      if (filled > 0) segments.push(new Uint8Array(segment.buffer.transfer(filled)));
      return segments;
    }
  } catch (error) {
    for (const bytes of [...segments, segment]) freeBytes(bytes);
    throw error;
  } finally {
    reads.end(reader);
  }
}

function nextSegmentBytes(readBytes: number, { maxBytes, expectedBytes = maxBytes }: Reading): number {
  const limit = readBytes < expectedBytes ? Math.min(expectedBytes, maxBytes) : maxBytes;
  // The body may end here. Reading one more byte tells.
  if (readBytes === limit || readBytes === expectedBytes) return 1;
  return Math.min(readBytes === 0 ? firstReadBytes : segmentBytes, limit - readBytes);
}

/**
 * Yields the chunks of a stream within its limits. Cancels the stream when the caller stops.
 * @throws the error that `errorOf` builds, and the errors of `room`
 */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  reading: Reading,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader();
  const reads = new BoundedReads(reading);
  try {
    for (;;) {
      const { done, value } = await reads.next(reader.read());
      if (done) return;
      await reads.makeRoomForChunks();
      yield value;
    }
  } finally {
    reads.end(reader);
  }
}

type Read = { done: boolean; value?: Uint8Array | undefined };

/** Counts and times the reads of one stream, and makes room for them. */
class BoundedReads {
  bytes = 0;
  readonly #reading: Reading;
  readonly #timer: IdleTimer | undefined;

  constructor(reading: Reading) {
    this.#reading = reading;
    const { pace } = reading;
    this.#timer = pace && new IdleTimer(pace.idleMs, pace.now);
  }

  /** Waits for room for `bytes` in total. */
  async makeRoom(bytes: number): Promise<void> {
    const { room, signal } = this.#reading;
    if (room && bytes > room.heldBytes) await room.growTo(bytes, signal);
  }

  /** Waits for room for the bytes that have arrived, in large steps, because chunks are small. */
  makeRoomForChunks(): Promise<void> {
    const { room, maxBytes, expectedBytes = maxBytes } = this.#reading;
    if (!room || this.bytes <= room.heldBytes) return Promise.resolve();
    const inSteps = Math.ceil(this.bytes / segmentBytes) * segmentBytes;
    return this.makeRoom(Math.max(this.bytes, Math.min(inSteps, expectedBytes)));
  }

  /** @throws the error that `errorOf` builds */
  async next<R extends Read>(reading: Promise<R>): Promise<R> {
    const { pace, maxBytes, errorOf } = this.#reading;
    const outcome = await this.#settled(reading);
    if (outcome === timedOut) throw this.interrupted(`no bytes arrived for ${pace?.idleMs} ms`);
    if (outcome.done) return outcome;
    this.bytes += outcome.value?.length ?? 0;
    if (this.bytes > maxBytes) throw errorOf({ kind: "too_large", bytes: this.bytes, limit: maxBytes });
    if (pace && this.#isTooSlow(pace)) {
      throw this.interrupted(`it arrived slower than ${pace.minBytesPerSecond} bytes per second`);
    }
    return outcome;
  }

  interrupted(detail: string, cause?: unknown): Error {
    return this.#reading.errorOf({ kind: "interrupted", bytes: this.bytes, detail, cause });
  }

  /** Cancels the stream. Has no effect on a stream that has ended. */
  end(reader: { cancel(): Promise<void> }): void {
    this.#timer?.stop();
    reader.cancel().catch(() => {});
  }

  async #settled<R>(reading: Promise<R>): Promise<R | typeof timedOut> {
    try {
      return await (this.#timer ? this.#timer.settle(reading) : reading);
    } catch (cause) {
      throw this.interrupted("the connection was lost", cause);
    }
  }

  #isTooSlow({ idleMs, minBytesPerSecond }: Pace): boolean {
    return (this.#timer?.waitedMs ?? 0) > idleMs + (1000 * this.bytes) / minBytesPerSecond;
  }
}

/** Joins chunks. Empties `chunks`, and frees those that do not share their buffer. */
export function joinChunks(chunks: Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (only && chunks.length === 1 && only.length === only.buffer.byteLength) {
    chunks.length = 0;
    return only;
  }
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
    if (chunk.length === chunk.buffer.byteLength) freeBytes(chunk);
  }
  chunks.length = 0;
  return whole;
}
