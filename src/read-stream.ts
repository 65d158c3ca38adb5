/** Streams of bytes, bounded by counting. */
import { ClassifierError } from "./errors.ts";
import { freeBytes } from "./free-bytes.ts";
import { settleWithin, timedOut } from "./timeout.ts";

/** How slow a stream may be: `idleMs` without a byte, or this much behind `minBytesPerSecond`. */
export interface Pace {
  readonly idleMs: number;
  readonly minBytesPerSecond: number;
  readonly now?: () => number;
}

/** Bytes made room for when nothing is known of a stream's length; doubled as often as need be. */
const firstRoomBytes = 64 * 1024;

/**
 * All bytes of a stream. Its chunks' memory goes as they are copied, not when the collector comes round: a body would
 * else stand in memory twice. So no chunk may share its buffer with what somebody still needs.
 * @param expectedBytes what is announced: the room that is made at once
 * @throws ClassifierError image_too_large, body_interrupted
 */
export async function readStream(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  pace?: Pace,
  expectedBytes = firstRoomBytes,
): Promise<Uint8Array> {
  let whole = new Uint8Array(Math.min(expectedBytes, maxBytes));
  let length = 0;
  for await (const chunk of chunksOf(stream, maxBytes, pace)) {
    const needed = length + chunk.length;
    if (needed > whole.length) whole = resized(whole, Math.min(maxBytes, Math.max(needed, 2 * whole.length)));
    whole.set(chunk, length);
    length = needed;
    freeBytes(chunk);
  }
  return length === whole.length ? whole : resized(whole, length);
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
  let bytes = 0;
  const reader = stream.getReader();
  const nowMs = pace?.now ?? Date.now;
  const startedMs = nowMs();
  try {
    for (;;) {
      const outcome = await read(reader, bytes, pace?.idleMs);
      if (outcome === timedOut) throw interrupted(bytes, `nothing came for ${pace?.idleMs} ms`);
      if (outcome.done) return;
      bytes += outcome.value.length;
      if (bytes > maxBytes) throw tooManyBytes(bytes, maxBytes);
      if (pace && nowMs() - startedMs > pace.idleMs + (1000 * bytes) / pace.minBytesPerSecond) {
        throw interrupted(bytes, `it came slower than ${pace.minBytesPerSecond} bytes a second`);
      }
      yield outcome.value;
    }
  } finally {
    // Does nothing to a stream that has ended.
    reader.cancel().catch(() => {});
  }
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, bytes: number, idleMs?: number) {
  try {
    return await (idleMs === undefined ? reader.read() : settleWithin(reader.read(), idleMs));
  } catch (cause) {
    throw interrupted(bytes, "the connection was lost", cause);
  }
}

function interrupted(bytes: number, detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "body_interrupted", bytes, detail }, { cause });
}

export function tooManyBytes(measured: number, limit: number): ClassifierError {
  return new ClassifierError({ code: "image_too_large", unit: "bytes", measured, limit });
}

/** A copy of the chunks, in one piece. Empties `chunks`. */
export function joinChunks(chunks: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  while (chunks.length > 0) {
    // Chunks are let go as they are copied, so that the body is not held twice.
    const chunk = chunks.shift()!;
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
