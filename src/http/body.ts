/** Request bodies, bounded by counting. Content-Length is only an early no. */
import { ClassifierError } from "../errors.ts";

/**
 * Bytes that the body may take: what Content-Length announces, or the limit where it announces nothing.
 * @throws ClassifierError image_too_large, empty_body; before anything is read
 */
export function bodyBytes(request: Request, maxBytes: number): number {
  const announced = announcedBytes(request.headers.get("Content-Length"));
  if (announced !== undefined && announced > maxBytes) throw tooLarge(announced, maxBytes);
  if (!request.body || announced === 0) throw new ClassifierError({ code: "empty_body" });
  return announced ?? maxBytes;
}

/**
 * The whole body.
 * @throws ClassifierError image_too_large as soon as more than `maxBytes` are announced or have come, empty_body,
 *   body_interrupted when the client breaks off
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  bodyBytes(request, maxBytes);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await read(reader, bytes);
    if (done) break;
    bytes += value.length;
    if (bytes > maxBytes) {
      reader.cancel().catch(() => {});
      throw tooLarge(bytes, maxBytes);
    }
    chunks.push(value);
  }
  if (bytes === 0) throw new ClassifierError({ code: "empty_body" });
  return concatenate(chunks, bytes);
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, bytes: number) {
  try {
    return await reader.read();
  } catch (cause) {
    throw new ClassifierError({ code: "body_interrupted", bytes }, { cause });
  }
}

function announcedBytes(header: string | null): number | undefined {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

function tooLarge(measured: number, limit: number): ClassifierError {
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
