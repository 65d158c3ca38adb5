/** Streams of bytes, bounded by counting. */
import { ClassifierError } from "./errors.ts";

/**
 * All bytes of a stream.
 * @throws ClassifierError image_too_large, body_interrupted
 */
export async function readStream(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await read(reader, bytes);
    if (done) break;
    bytes += value.length;
    if (bytes > maxBytes) {
      reader.cancel().catch(() => {});
      throw tooManyBytes(bytes, maxBytes);
    }
    chunks.push(value);
  }
  return concatenate(chunks, bytes);
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, bytes: number) {
  try {
    return await reader.read();
  } catch (cause) {
    throw new ClassifierError({ code: "body_interrupted", bytes }, { cause });
  }
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
