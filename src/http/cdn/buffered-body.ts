/** Buffers a body while its image is classified, and then sends it unchanged. */

import { freeBytes } from "../../bytes/byte-arrays.ts";
import type { Pace } from "../../bytes/read-stream.ts";
import type { Permit } from "../../concurrency/admission.ts";
import { IdleTimer, settleWithin, timedOut } from "../../concurrency/timeout.ts";
import { firstReadBytes } from "../../limits.ts";

/** Time without a byte from the origin after which a body is cut off. */
const originIdleMs = 10_000;

/** A body that is in memory as a whole or in part. */
export interface BufferedBody {
  /** The chunks that have been read, in order: the whole body, unless `rest` follows. */
  readonly chunks: Uint8Array[];
  readonly rest?: Rest;
}

/** The unread part of a body, and the reason. */
export interface Rest {
  readonly reason: "image_too_large" | "timeout" | "overloaded";
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** A read under way. */
  readonly pending?: Promise<ReadableStreamReadResult<Uint8Array>>;
}

/** Bounds of reading a body into memory. */
export interface BufferBounds {
  readonly maxBytes: number;
  readonly withinMs: number;
  /** Grows with the bytes in memory. The caller releases it. */
  readonly permit: Permit;
}

/**
 * Reads until the body ends, exceeds `maxBytes`, takes longer than `withinMs`, or the permit cannot grow.
 * @throws the error of the body
 */
export async function bufferUpTo(
  body: ReadableStream<Uint8Array>,
  { maxBytes, withinMs, permit }: BufferBounds,
): Promise<BufferedBody> {
  const chunks: Uint8Array[] = [];
  const reader = body.getReader();
  const untilMs = Date.now() + withinMs;
  const isOver = AbortSignal.timeout(withinMs);
  let bytes = 0;
  while (bytes <= maxBytes) {
    const pending = reader.read();
    const outcome = await settleWithin(pending, Math.max(0, untilMs - Date.now()));
    if (outcome === timedOut) return { chunks, rest: { reason: "timeout", reader, pending } };
    if (outcome.done) return { chunks };
    chunks.push(outcome.value);
    bytes += outcome.value.length;
    if (bytes <= maxBytes && !(await hasGrown(permit, Math.min(bytes + firstReadBytes, maxBytes), isOver))) {
      return { chunks, rest: { reason: "overloaded", reader } };
    }
  }
  return { chunks, rest: { reason: "image_too_large", reader } };
}

/** Grows a permit. Returns false if there is no room before `signal` aborts, or if its lease has ended. */
export async function hasGrown(permit: Permit, bytes: number, signal: AbortSignal): Promise<boolean> {
  if (bytes <= permit.heldBytes) return true;
  try {
    await permit.growTo(bytes, signal);
    return true;
  } catch {
    return false;
  }
}

/** Frees a chunk at once, unless its buffer holds more than the chunk. */
export function freeChunk(chunk: Uint8Array): void {
  if (chunk.length === chunk.buffer.byteLength) freeBytes(chunk);
}

/** Bytes of one write. A client at the minimum pace takes one within the idle time. */
const sliceBytes = 64 * 1024;

/** How to send a body. */
export interface SendOptions {
  /** Bytes of the whole body if known. The response then has a Content-Length. */
  readonly length: number | undefined;
  /** The slowest pace at which the client may read. */
  readonly pace: Pace;
  /** Called after each write that the client has taken. */
  readonly onProgress: () => void;
  /** Called for each buffered chunk that sending no longer needs. */
  readonly onSent: (chunk: Uint8Array) => void;
}

/** A body on its way to the client. */
export interface Sending {
  readonly readable: ReadableStream<Uint8Array>;
  /** Resolves when the body is sent or cut off. No chunk is in use afterwards. Never rejects. */
  readonly done: Promise<void>;
}

/**
 * Sends the buffered chunks and the rest, and empties `chunks` meanwhile. If the client disconnects or reads too slowly, the
 * body is cut off in a way that the client notices.
 */
export function send({ chunks, rest }: BufferedBody, options: SendOptions): Sending {
  const { readable, writable } =
    options.length === undefined ? new IdentityTransformStream() : new FixedLengthStream(options.length);
  const writer = new PacedWriter(writable.getWriter(), options);
  const done = sendAll(chunks, rest, writer, options)
    .catch(async (error: unknown) => {
      rest?.reader.cancel(error).catch(() => {});
      await writer.abort(error);
      for (const chunk of chunks.splice(0)) options.onSent(chunk);
    })
    .finally(() => writer.stop());
  return { readable, done };
}

async function sendAll(
  chunks: Uint8Array[],
  rest: Rest | undefined,
  writer: PacedWriter,
  { onSent }: SendOptions,
): Promise<void> {
  for (let chunk = chunks[0]; chunk; chunk = chunks[0]) {
    await writer.write(chunk);
    chunks.shift();
    onSent(chunk);
  }
  for (let next = rest && (rest.pending ?? rest.reader.read()); rest && next; next = rest.reader.read()) {
    const outcome = await settleWithin(next, originIdleMs);
    if (outcome === timedOut) throw new Error(`the origin sent nothing for ${originIdleMs} ms`);
    if (outcome.done) break;
    await writer.write(outcome.value);
    freeChunk(outcome.value);
  }
  await writer.close();
}

/**
 * Writes to a client that must read at a minimum pace. A write resolves when the runtime has passed the bytes to the
 * connection, so a client that stops reading is noticed when the buffers of the connection are full. Only time spent waiting
 * for the client counts.
 */
class PacedWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #options: SendOptions;
  readonly #timer: IdleTimer;
  #takenBytes = 0;

  constructor(writer: WritableStreamDefaultWriter<Uint8Array>, options: SendOptions) {
    this.#writer = writer;
    this.#options = options;
    this.#timer = new IdleTimer(options.pace.idleMs, options.pace.now);
  }

  /**
   * Resolves when `bytes` are no longer needed.
   * @throws Error if the client has disconnected or is too slow
   */
  async write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
      await this.#writeSlice(bytes.subarray(offset, offset + sliceBytes));
    }
  }

  /** @throws Error if the client has disconnected or is too slow */
  async close(): Promise<void> {
    await this.#taken(this.#writer.close());
  }

  /** Never rejects. */
  async abort(reason: unknown): Promise<void> {
    await this.#writer.abort(reason).catch(() => {});
  }

  /** Call it after the last write. */
  stop(): void {
    this.#timer.stop();
  }

  async #writeSlice(slice: Uint8Array): Promise<void> {
    await this.#taken(this.#writer.write(slice));
    this.#takenBytes += slice.length;
    const { idleMs, minBytesPerSecond } = this.#options.pace;
    if (this.#timer.waitedMs > idleMs + (1000 * this.#takenBytes) / minBytesPerSecond) {
      throw new Error(`the client read slower than ${minBytesPerSecond} bytes a second`);
    }
    this.#options.onProgress();
  }

  async #taken(writing: Promise<void>): Promise<void> {
    if ((await this.#timer.settle(writing)) === timedOut) {
      throw new Error(`the client read nothing for ${this.#options.pace.idleMs} ms`);
    }
  }
}
