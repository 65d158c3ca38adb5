/** Request bodies. Content-Length is only an early no: read-stream.ts counts. */
import { ClassifierError } from "../errors.ts";
import { bodyIdleMs, minBodyBytesPerSecond } from "../limits.ts";
import { type Pace, readStream, tooManyBytes } from "../read-stream.ts";

/**
 * Bytes that the body may take: what Content-Length announces, or the limit where it announces nothing.
 * @throws ClassifierError image_too_large, empty_body; before anything is read
 */
export function bodyBytes(request: Request, maxBytes: number): number {
  const announced = announcedBytes(request.headers.get("Content-Length"));
  if (announced !== undefined && announced > maxBytes) throw tooManyBytes(announced, maxBytes);
  if (!request.body || announced === 0) throw new ClassifierError({ code: "empty_body" });
  return announced ?? maxBytes;
}

/**
 * The whole body.
 * @throws ClassifierError image_too_large as soon as more than `maxBytes` are announced or have come, empty_body,
 *   body_interrupted when the client breaks off or is too slow
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  pace: Pace = { idleMs: bodyIdleMs, minBytesPerSecond: minBodyBytesPerSecond },
): Promise<Uint8Array> {
  bodyBytes(request, maxBytes);
  const announced = announcedBytes(request.headers.get("Content-Length"));
  const bytes = await readStream(request.body as ReadableStream<Uint8Array>, maxBytes, pace, announced);
  if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
  return bytes;
}

function announcedBytes(header: string | null): number | undefined {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
