/** The beginning of a body: enough bytes to detect its format, or the whole body up to a bound. */

/** The outcome of reading a body up to a bound. */
export type ReadUpTo =
  | { readonly whole: true; readonly bytes: Uint8Array<ArrayBuffer> }
  /** `broken`: the body failed before its end, and so will the stream. */
  | { readonly whole: false; readonly stream: ReadableStream<Uint8Array>; readonly broken: boolean };

/** Reads a body chunk by chunk and can return it as a stream. It does not use tee(), which buffers without a bound. */
export class BodyStart {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /** Locks `body`. */
  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** Bytes read so far. */
  get length(): number {
    return this.#length;
  }

  /** Whether the body is complete or has failed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Reads one more chunk. Never rejects: a failure ends the body. */
  async readMore(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      this.#ended = done;
      if (value) this.#chunks.push(value);
      this.#length += value?.length ?? 0;
    } catch (error) {
      this.#ended = true;
      this.#failure = { error };
    }
  }

  /** Returns a copy of the first `maxBytes` bytes, or of all bytes read so far if there are fewer. */
  first(maxBytes: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.min(maxBytes, this.#length));
    let offset = 0;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(0, bytes.length - offset);
      bytes.set(part, offset);
      offset += part.length;
    }
    return bytes;
  }

  /** Reads to the end, holding at most `maxBytes` and one chunk. Never rejects. */
  async readUpTo(maxBytes: number): Promise<ReadUpTo> {
    while (!this.#ended && this.#length <= maxBytes) await this.readMore();
    if (this.#failure || this.#length > maxBytes) {
      return { whole: false, stream: this.stream(), broken: this.#failure !== undefined };
    }
    const bytes = this.first(this.#length);
    this.#chunks.length = 0;
    return { whole: true, bytes };
  }

  /** Returns the whole body from its first byte. Reads the rest of it on demand. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (this.#chunks.length === 0 && !this.#ended) await this.readMore();
          const chunk = this.#chunks.shift();
          if (chunk) controller.enqueue(chunk);
          else if (this.#failure) controller.error(this.#failure.error);
          else controller.close();
        },
        cancel: (reason) => this.#reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }
}
