/** Streams of bytes, bounded by counting. */
import { ClassifierError } from "./errors.ts";
import { freeBytes } from "./free-bytes.ts";
import { IdleTimer, timedOut } from "./timeout.ts";

/** How slow a stream may be: `idleMs` without a byte, or this much behind `minBytesPerSecond`. */
export interface Pace {
  readonly idleMs: number;
  readonly minBytesPerSecond: number;
  readonly now?: () => number;
}

/** Bytes made room for when nothing is known of a stream's length; doubled as often as need be. */
const firstRoomBytes = 64 * 1024;

/**
 * All bytes of a stream, read straight to their place where it can do that; else its chunks' memory goes as they are copied,
 * not when the collector comes round: a body would stand in memory twice. So no chunk may share its buffer with what
 * somebody still needs.
 * @param expectedBytes what is announced: the room that is made at once
 * @throws ClassifierError image_too_large, body_interrupted
 */
export async function readStream(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  pace?: Pace,
  expectedBytes = firstRoomBytes,
): Promise<Uint8Array> {
  const first = new Uint8Array(Math.min(expectedBytes, maxBytes));
  const reader = byteReader(stream);
  return reader
    ? fill(reader, first, maxBytes, pace)
    : collect(chunksOf(stream, maxBytes, pace), first, maxBytes);
}

/** Of a byte stream, as bodies are; undefined for others. */
function byteReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  if (stream.locked) return undefined;
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

async function fill(
  reader: ReadableStreamBYOBReader,
  first: Uint8Array<ArrayBuffer>,
  maxBytes: number,
  pace?: Pace,
): Promise<Uint8Array> {
  let whole = first;
  let length = 0;
  const reads = new BoundedReads(maxBytes, pace);
  try {
    for (;;) {
      const isFull = length === whole.length;
      // Full may be all: one byte more tells, without room for more.
      const { done, value } = await reads.next(
        reader.read(isFull ? new Uint8Array(1) : whole.subarray(length)),
      );
      if (isFull) {
        if (done) return whole;
        whole = resized(whole, grown(whole.length, length + 1, maxBytes));
        whole.set(value, length);
      } else {
        // A read takes the buffer away and gives it back as another object; not so where somebody has cancelled the stream.
        if (!value) throw interrupted(length, "the connection was lost");
        whole = new Uint8Array(value.buffer);
        if (done) return resized(whole, length);
      }
      length = reads.bytes;
    }
  } finally {
    reads.end(reader);
  }
}

async function collect(
  chunks: AsyncIterable<Uint8Array>,
  first: Uint8Array<ArrayBuffer>,
  maxBytes: number,
): Promise<Uint8Array> {
  let whole = first;
  let length = 0;
  for await (const chunk of chunks) {
    const needed = length + chunk.length;
    if (needed > whole.length) whole = resized(whole, grown(whole.length, needed, maxBytes));
    whole.set(chunk, length);
    length = needed;
    freeBytes(chunk);
  }
  return length === whole.length ? whole : resized(whole, length);
}

function grown(bytes: number, needed: number, maxBytes: number): number {
  return Math.min(maxBytes, Math.max(needed, 2 * bytes));
}

/** The same bytes with more room, or less; the old buffer is freed at once. */
function resized({ buffer }: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.transfer(bytes));
}

/**
 * The chunks of a stream, counted; the stream is cancelled when they are no longer wanted.
 * @throws ClassifierError image_too_large, body_interrupted
 */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  pace?: Pace,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader();
  const reads = new BoundedReads(maxBytes, pace);
  try {
    for (;;) {
      const { done, value } = await reads.next(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reads.end(reader);
  }
}

type Read = { done: boolean; value?: Uint8Array | undefined };

/** Reads of one stream, counted and timed. */
class BoundedReads {
  bytes = 0;
  readonly #maxBytes: number;
  readonly #pace: Pace | undefined;
  readonly #timer: IdleTimer | undefined;
  readonly #nowMs: () => number;
  readonly #startedMs: number;

  constructor(maxBytes: number, pace: Pace | undefined) {
    this.#maxBytes = maxBytes;
    this.#pace = pace;
    this.#nowMs = pace?.now ?? Date.now;
    this.#startedMs = this.#nowMs();
    this.#timer = pace && new IdleTimer(pace.idleMs);
  }

  /** @throws ClassifierError image_too_large, body_interrupted */
  async next<R extends Read>(reading: Promise<R>): Promise<R> {
    const outcome = await this.#settled(reading);
    if (outcome === timedOut) throw interrupted(this.bytes, `nothing came for ${this.#pace?.idleMs} ms`);
    if (outcome.done) return outcome;
    this.bytes += outcome.value?.length ?? 0;
    if (this.bytes > this.#maxBytes) throw tooManyBytes(this.bytes, this.#maxBytes);
    if (this.#isTooSlow()) {
      throw interrupted(this.bytes, `it came slower than ${this.#pace?.minBytesPerSecond} bytes a second`);
    }
    return outcome;
  }

  /** Cancels the stream, which does nothing to one that has ended. */
  end(reader: { cancel(): Promise<void> }): void {
    this.#timer?.stop();
    reader.cancel().catch(() => {});
  }

  async #settled<R>(reading: Promise<R>): Promise<R | typeof timedOut> {
    try {
      return await (this.#timer ? this.#timer.settle(reading) : reading);
    } catch (cause) {
      throw interrupted(this.bytes, "the connection was lost", cause);
    }
  }

  #isTooSlow(): boolean {
    if (!this.#pace) return false;
    const { idleMs, minBytesPerSecond } = this.#pace;
    return this.#nowMs() - this.#startedMs > idleMs + (1000 * this.bytes) / minBytesPerSecond;
  }
}

function interrupted(bytes: number, detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "body_interrupted", bytes, detail }, { cause });
}

export function tooManyBytes(measured: number, limit: number): ClassifierError {
  return new ClassifierError({ code: "image_too_large", unit: "bytes", measured, limit });
}

/** A copy of the chunks, in one piece. Empties `chunks`; those that do not share their buffer with others are freed. */
export function joinChunks(chunks: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  while (chunks.length > 0) {
    // Chunks are let go as they are copied, so that the body is not held twice.
    const chunk = chunks.shift()!;
    whole.set(chunk, offset);
    offset += chunk.length;
    if (chunk.length === chunk.buffer.byteLength) freeBytes(chunk);
  }
  return whole;
}
