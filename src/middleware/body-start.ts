/** A body of which only the beginning has been read: enough to tell what it is, or all of it up to a bound. */

/** The outcome of reading a body up to a bound. */
export type ReadUpTo =
  | { readonly whole: true; readonly bytes: Uint8Array<ArrayBuffer> }
  /** `broken`: the body failed before its end, and so does the stream. */
  | { readonly whole: false; readonly stream: ReadableStream<Uint8Array>; readonly broken: boolean };

/** Reads a body chunk by chunk, and can give it back as a stream. Uses no tee(): that buffers without a bound. */
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

  /** Whether nothing more comes: the body is complete, or it failed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Reads one more chunk. Never rejects: a failure ends the body. */
  async readMore(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      if (done) this.#ended = true;
      else this.#append(value);
    } catch (error) {
      this.#ended = true;
      this.#failure = { error };
    }
  }

  /** A copy of the first `maxBytes` bytes, or of fewer when fewer have been read. */
  first(maxBytes: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.min(maxBytes, this.#length));
    let offset = 0;
    for (const chunk of this.#chunks) {
      if (offset === bytes.length) break;
      const part = chunk.subarray(0, bytes.length - offset);
      bytes.set(part, offset);
      offset += part.length;
    }
    return bytes;
  }

  /** Reads to the end. Never rejects. Holds at most `maxBytes` and one chunk. */
  async readUpTo(maxBytes: number): Promise<ReadUpTo> {
    while (!this.#ended && this.#length <= maxBytes) await this.readMore();
    if (this.#failure || this.#length > maxBytes) {
      return { whole: false, stream: this.stream(), broken: this.#failure !== undefined };
    }
    const bytes = this.first(this.#length);
    this.#chunks.length = 0;
    return { whole: true, bytes };
  }

  /** The whole body from its first byte; what has not been read yet is read when it is wanted. */
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

  #append(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }
}
