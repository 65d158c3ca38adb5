/** Inflates with the platform's DecompressionStream, in bounded memory. */
import { freeBytes } from "../../bytes/byte-arrays.ts";
import { byteReader } from "../../bytes/read-stream.ts";
import { undecodable } from "../../errors.ts";

/**
 * Bytes that are written at once to workerd's stream. It inflates each write as a whole and buffers the output until it is
 * read (workerd, src/workerd/api/streams/compression.c++): at most 1 MiB for a slice of this size.
 */
const sliceBytes = 1000;
/** Bytes that are written at once to Node's stream, which inflates while its output is read. Each write takes it 0.1 ms. */
const largeSliceBytes = 65_536;

/** The most bytes that deflate makes of one: 2 bits can stand for 258 bytes (RFC 1951, 3.2.5). */
const maxExpansion = 1032;

/** Bytes that one read takes: all that workerd inflates of a slice and of the bits before it. */
const maxBlockBytes = maxExpansion * (sliceBytes + 8);

/** Bytes of the largest block of a stream. One byte more than expected shows that the stream is longer. */
const blockBytesOf = (outputBytes: number) => Math.min(maxBlockBytes, outputBytes + 1);

/** Bytes that `inflate` allocates in workerd, which itself buffers as much again. */
export function inflateBytes(outputBytes: number): number {
  return blockBytesOf(outputBytes) + sliceBytes;
}

/**
 * Inflates a zlib stream (RFC 1950).
 * @param pieces of the stream. None is read after `signal` has been aborted
 * @param outputBytes bytes that are expected. Fewer or more may come
 * @param take receives the output in blocks, each valid until it returns
 * @throws ClassifierError image_undecodable; what `take` throws; the reason of `signal`
 */
export async function inflate(
  pieces: Iterable<Uint8Array>,
  outputBytes: number,
  take: (block: Uint8Array) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  const output = new Output(readable as ReadableStream<Uint8Array>, blockBytesOf(outputBytes), signal);
  try {
    for (const slice of slicesOf(pieces, output.isByteStream)) {
      // If the data is broken, the output fails too.
      const written = writer.write(slice as BufferSource).catch(() => {});
      for (;;) {
        const block = await output.next(written);
        if (!block) break;
        take(block);
      }
    }
    writer.close().catch(() => {});
    for (let block = await output.next(); block; block = await output.next()) take(block);
  } finally {
    writer.abort().catch(() => {});
    output.release();
  }
}

/** The inflated bytes. */
class Output {
  /** Whether the stream is read into a buffer of ours, as in workerd. */
  readonly isByteStream: boolean;
  readonly #reader: ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #buffer: Uint8Array | undefined;
  /** Settles when the read has ended, which sets `#result`. */
  #read: Promise<void> | undefined;
  #result: ReadableStreamReadResult<Uint8Array> | { readonly error: unknown } | undefined;

  /** @param blockBytes bytes of the buffer */
  constructor(readable: ReadableStream<Uint8Array>, blockBytes: number, signal: AbortSignal | undefined) {
    const reader = byteReader(readable);
    this.isByteStream = reader !== undefined;
    this.#reader = reader ?? readable.getReader();
    this.#buffer = reader && new Uint8Array(blockBytes);
    this.#signal = signal;
  }

  /**
   * Waits for the next block, until `end` at most.
   * @returns the block, valid until the next call. Undefined if `end` came first, or if no block follows
   */
  async next(end?: Promise<void>): Promise<Uint8Array | undefined> {
    this.#read ??= this.#readBlock();
    await (end ? Promise.race([this.#read, end]) : this.#read);
    this.#signal?.throwIfAborted();
    const result = this.#result;
    if (!result) return undefined;
    if ("error" in result) throw undecodable("its compressed data is broken or ends too early", result.error);
    this.#read = undefined;
    this.#result = undefined;
    return result.done ? undefined : result.value;
  }

  async #readBlock(): Promise<void> {
    try {
      const result = await (this.#buffer
        ? (this.#reader as ReadableStreamBYOBReader).read(this.#buffer)
        : (this.#reader as ReadableStreamDefaultReader<Uint8Array>).read());
      // A read into a buffer transfers the buffer, and returns it as another object.
      if (this.#buffer && result.value) this.#buffer = new Uint8Array(result.value.buffer);
      this.#result = result;
    } catch (error) {
      this.#result = { error };
    }
  }

  /** Stops the stream and frees the buffer. */
  release(): void {
    this.#reader.cancel().catch(() => {});
    if (this.#buffer) freeBytes(this.#buffer);
  }
}

/**
 * Splits the pieces of a stream into slices of equal size, because a file may consist of a million tiny pieces.
 * @param isSmall whether the slices are small, and each is read before the next one is made, so that its array is reused
 */
function* slicesOf(pieces: Iterable<Uint8Array>, isSmall: boolean): Generator<Uint8Array> {
  const size = isSmall ? sliceBytes : largeSliceBytes;
  /** Holds a slice of several pieces. */
  let joined = new Uint8Array(size);
  let filled = 0;
  for (let piece of pieces) {
    if (filled > 0) {
      const missing = piece.subarray(0, size - filled);
      joined.set(missing, filled);
      filled += missing.length;
      piece = piece.subarray(missing.length);
      if (filled < size) continue;
      yield joined;
      filled = 0;
      if (!isSmall) joined = new Uint8Array(size);
    }
    let at = 0;
    for (; at + size <= piece.length; at += size) yield piece.subarray(at, at + size);
    joined.set(piece.subarray(at));
    filled = piece.length - at;
  }
  if (filled > 0) yield joined.subarray(0, filled);
}
