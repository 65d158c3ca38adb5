/** A stream read into memory up to a bound; beyond it, the stream as it was. No tee: that buffers without one. */

export type ReadUpTo =
  | { readonly whole: true; readonly bytes: Uint8Array<ArrayBuffer> }
  /** All of the stream from its first byte; it fails where the source did, when that is `broken`. */
  | { readonly whole: false; readonly stream: ReadableStream<Uint8Array>; readonly broken: boolean };

/** Never rejects. At most `maxBytes` and one chunk are held. */
export async function readUpTo(source: ReadableStream<Uint8Array>, maxBytes: number): Promise<ReadUpTo> {
  const reader = source.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    let outcome: Awaited<ReturnType<typeof reader.read>>;
    try {
      outcome = await reader.read();
    } catch (error) {
      const failing = { read: () => Promise.reject(error), cancel: async () => {} };
      return { whole: false, stream: continued(chunks, failing), broken: true };
    }
    if (outcome.done) return { whole: true, bytes: concatenated(chunks, bytes) };
    chunks.push(outcome.value);
    bytes += outcome.value.length;
    if (bytes > maxBytes) return { whole: false, stream: continued(chunks, reader), broken: false };
  }
}

type Reader = Pick<ReadableStreamDefaultReader<Uint8Array>, "read" | "cancel">;

/** `chunks`, then what the reader still has, asked for only when it is wanted. */
function continued(chunks: Uint8Array[], reader: Reader): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = chunks.shift();
        if (chunk) return controller.enqueue(chunk);
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function concatenated(chunks: Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
