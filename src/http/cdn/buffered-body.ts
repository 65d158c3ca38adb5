/** A body read up to a bound, to be looked at and then sent on, every byte as it came. */
import { bodyIdleMs } from "../../limits.ts";
import { joinChunks } from "../../read-stream.ts";
import { settleWithin, timedOut } from "../../timeout.ts";

export interface BufferedBody {
  /** What has been read, in one piece: all there is, unless `rest` follows. */
  readonly bytes: Uint8Array;
  readonly rest?: Rest;
}

/** What has not been read, because the body is too large or too slow. */
export interface Rest {
  readonly reason: "image_too_large" | "timeout";
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** A read under way. */
  readonly pending?: Promise<ReadableStreamReadResult<Uint8Array>>;
}

export interface Sending {
  readonly readable: ReadableStream<Uint8Array>;
  /** When the buffered bytes are no longer needed, and when all is done. They never reject. */
  readonly bytesSent: Promise<void>;
  readonly allSent: Promise<void>;
}

/**
 * Reads until the end, until more than `maxBytes` have come, or for `withinMs`. Rejects when the body breaks off, with
 * nothing yet sent.
 */
export async function bufferUpTo(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  withinMs: number,
): Promise<BufferedBody> {
  const chunks: Uint8Array[] = [];
  const reader = body.getReader();
  const untilMs = Date.now() + withinMs;
  let bytes = 0;
  while (bytes <= maxBytes) {
    const pending = reader.read();
    const outcome = await settleWithin(pending, Math.max(0, untilMs - Date.now()));
    if (outcome === timedOut)
      return { bytes: joinChunks(chunks), rest: { reason: "timeout", reader, pending } };
    if (outcome.done) return { bytes: joinChunks(chunks) };
    chunks.push(outcome.value);
    bytes += outcome.value.length;
  }
  return { bytes: joinChunks(chunks), rest: { reason: "image_too_large", reader } };
}

/**
 * Sends a buffered body and what follows it. A client that goes away ends it.
 * @param length of the whole, where it is known: the answer then has a Content-Length
 */
export function send({ bytes, rest }: BufferedBody, length: number | undefined): Sending {
  const known = rest ? length : bytes.length;
  const { readable, writable } =
    known === undefined ? new IdentityTransformStream() : new FixedLengthStream(known);
  const writer = writable.getWriter();
  const written = bytes.length === 0 ? Promise.resolve() : writer.write(bytes);
  const all = written.then(() => (rest ? sendRest(rest, writer) : writer.close()));
  const allSent = all.catch((error: unknown) => {
    // Cut short, not ended: the client must not take a part for the whole.
    writer.abort(error).catch(() => {});
    rest?.reader.cancel().catch(() => {});
  });
  return { readable, bytesSent: written.catch(() => {}), allSent };
}

async function sendRest({ reader, pending }: Rest, writer: WritableStreamDefaultWriter): Promise<void> {
  for (let next = pending ?? reader.read(); ; next = reader.read()) {
    const outcome = await settleWithin(next, bodyIdleMs);
    if (outcome === timedOut) throw new Error(`nothing came for ${bodyIdleMs} ms`);
    if (outcome.done) return writer.close();
    await writer.write(outcome.value);
  }
}
