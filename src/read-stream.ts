/** Streams of bytes, bounded by counting. */
import { ClassifierError } from "./errors.ts";
import { settleWithin, timedOut } from "./timeout.ts";

/** How slow a stream may be: `idleMs` without a byte, or this much behind `minBytesPerSecond`. */
export interface Pace {
  readonly idleMs: number;
  readonly minBytesPerSecond: number;
  readonly now?: () => number;
}

/**
 * All bytes of a stream.
 * @throws ClassifierError image_too_large, body_interrupted
 */
export async function readStream(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  pace?: Pace,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = stream.getReader();
  const refuse = (error: ClassifierError) => {
    reader.cancel().catch(() => {});
    return error;
  };
  const nowMs = pace?.now ?? Date.now;
  const startedMs = nowMs();
  for (;;) {
    const outcome = await read(reader, bytes, pace?.idleMs);
    if (outcome === timedOut) throw refuse(interrupted(bytes, `nothing came for ${pace?.idleMs} ms`));
    if (outcome.done) break;
    bytes += outcome.value.length;
    if (bytes > maxBytes) throw refuse(tooManyBytes(bytes, maxBytes));
    if (pace && nowMs() - startedMs > pace.idleMs + (1000 * bytes) / pace.minBytesPerSecond) {
      throw refuse(interrupted(bytes, `it came slower than ${pace.minBytesPerSecond} bytes a second`));
    }
    chunks.push(outcome.value);
  }
  return concatenate(chunks, bytes);
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

function concatenate(chunks: Uint8Array[], bytes: number): Uint8Array {
  const [first] = chunks;
  if (first && chunks.length === 1) return first;
  const whole = new Uint8Array(bytes);
  let offset = 0;
  while (chunks.length > 0) {
    // Chunks are let go as they are copied, so that the body is not held twice.
    const chunk = chunks.shift()!;
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
