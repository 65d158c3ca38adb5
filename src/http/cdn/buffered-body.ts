/** A body read up to a bound, to be looked at and then sent on, every byte as it came. */
import { bodyIdleMs } from "../../limits.ts";
import { joinChunks } from "../../read-stream.ts";
import { settleWithin, timedOut } from "../../timeout.ts";

export interface BufferedBody {
  /** What has been read, in one piece: all there is, unless `rest` follows. */
  readonly bytes: Uint8Array;
  /** What lies beyond the bound, unread. */
  readonly rest?: ReadableStream<Uint8Array>;
}

/** Rejects with an Error when the body breaks off or stalls. */
export async function bufferUpTo(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<BufferedBody> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = body.getReader();
  for (;;) {
    const outcome = await settleWithin(reader.read(), bodyIdleMs);
    if (outcome === timedOut) {
      reader.cancel().catch(() => {});
      throw new Error(`nothing came for ${bodyIdleMs} ms`);
    }
    if (outcome.done) return { bytes: joinChunks(chunks) };
    chunks.push(outcome.value);
    bytes += outcome.value.length;
    if (bytes > maxBytes) {
      reader.releaseLock();
      return { bytes: joinChunks(chunks), rest: body };
    }
  }
}

/**
 * Sends a buffered body. Never rejects: a client that goes away ends it.
 * @param length of the whole, where it is known: the answer then has a Content-Length
 */
export function send(buffered: BufferedBody, length: number | undefined): Sending {
  const known = buffered.rest ? length : buffered.bytes.length;
  const { readable, writable } =
    known === undefined ? new IdentityTransformStream() : new FixedLengthStream(known);
  return { readable, sent: write(buffered, writable).catch(() => {}) };
}

export interface Sending {
  readonly readable: ReadableStream<Uint8Array>;
  readonly sent: Promise<void>;
}

async function write({ bytes, rest }: BufferedBody, writable: WritableStream<Uint8Array>): Promise<void> {
  const writer = writable.getWriter();
  await writer.write(bytes);
  if (!rest) return writer.close();
  writer.releaseLock();
  await rest.pipeTo(writable);
}
