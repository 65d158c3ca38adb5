/** Request bodies. Content-Length is only an early no: read-stream.ts counts. */

import { type Pace, type Reading, type Room, readStream, tooManyBytes } from "../../bytes/read-stream.ts";
import { ClassifierError } from "../../errors.ts";
import { bodyIdleMs, minBodyBytesPerSecond } from "../../limits.ts";

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
 * @param room grows as the body comes
 * @throws ClassifierError image_too_large as soon as more than `maxBytes` are announced or have come, empty_body,
 *   body_interrupted when the client breaks off or is too slow, and what `room` throws
 */
export async function readBody(request: Request, maxBytes: number, room?: Room): Promise<Uint8Array> {
  bodyBytes(request, maxBytes);
  const bytes = await readStream(
    request.body as ReadableStream<Uint8Array>,
    bodyReading(request, maxBytes, room),
  );
  if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
  return bytes;
}

const pace: Pace = { idleMs: bodyIdleMs, minBytesPerSecond: minBodyBytesPerSecond };

/** How the body of a request is read. */
export function bodyReading(request: Request, maxBytes: number, room: Room | undefined): Reading {
  const expectedBytes = announcedBytes(request.headers.get("Content-Length"));
  return { maxBytes, expectedBytes, pace, room, signal: request.signal };
}

function announcedBytes(header: string | null): number | undefined {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
