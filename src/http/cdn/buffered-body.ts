/** A body that is held while its image is classified, and then sent on, every byte as it came. */

import { freeBytes } from "../../bytes/free-bytes.ts";
import type { Pace } from "../../bytes/read-stream.ts";
import type { Permit } from "../../concurrency/admission.ts";
import { IdleTimer, settleWithin, timedOut } from "../../concurrency/timeout.ts";
import { bodyIdleMs, firstReadBytes } from "../../limits.ts";

/** A body of which some or all bytes are in memory. */
export interface BufferedBody {
  /** What has been read, in order: everything, unless `rest` follows. */
  readonly chunks: Uint8Array[];
  readonly rest?: Rest;
}

/** What has not been read, and why. */
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
 * Reads until the end, or until `maxBytes` are exceeded, the time is over, or the permit cannot grow.
 * @throws whatever the body fails with; nothing has been sent by then
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

/** Whether the permit holds `bytes`. False where there is no room in time, or the permit has been taken back. */
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

/** Bytes of one write: small enough that a client at the minimum pace takes one within the idle time. */
const sliceBytes = 64 * 1024;

/** How a body is sent. */
export interface SendOptions {
  /** Bytes of the whole body, where they are known: the answer then has a Content-Length. */
  readonly length: number | undefined;
  /** The slowest that the client may read. */
  readonly pace: Pace;
  /** Called whenever the client has taken some bytes. */
  readonly onProgress: () => void;
  /** Called for each buffered chunk when sending no longer needs it: it has left, or the body has been cut off. */
  readonly onSent: (chunk: Uint8Array) => void;
}

/** A body on its way to the client. */
export interface Sending {
  readonly readable: ReadableStream<Uint8Array>;
  /** Resolves when everything is sent or the body has been cut off, and no chunk is used any more. Never rejects. */
  readonly done: Promise<void>;
}

/**
 * Sends the buffered chunks and what follows them. Empties `chunks` as they leave. A client that goes away, or reads too
 * slowly, gets a body that is cut off: it does not take a part for the whole.
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
    const outcome = await settleWithin(next, bodyIdleMs);
    if (outcome === timedOut) throw new Error(`the origin sent nothing for ${bodyIdleMs} ms`);
    if (outcome.done) break;
    await writer.write(outcome.value);
    freeChunk(outcome.value);
  }
  await writer.close();
}

/**
 * Writes that the client must take at a minimum pace. A write resolves when the runtime has passed the bytes on to the
 * connection, so a client that stops reading is noticed as soon as the connection's own buffers are full. Only time spent
 * on waiting for the client counts.
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

  /** Resolves when `bytes` are no longer needed. @throws Error when the client is gone or too slow */
  async write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += sliceBytes) {
      await this.#writeSlice(bytes.subarray(offset, offset + sliceBytes));
    }
  }

  /** @throws Error when the client is gone or too slow */
  async close(): Promise<void> {
    await this.#taken(this.#writer.close());
  }

  /** Never rejects. */
  async abort(reason: unknown): Promise<void> {
    await this.#writer.abort(reason).catch(() => {});
  }

  /** To be called when nothing more is written. */
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
