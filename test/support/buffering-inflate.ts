/** A DecompressionStream that behaves as workerd's: it inflates every write as a whole, and buffers what is not read. */
import { once } from "node:events";
import { createInflate } from "node:zlib";
import { pause } from "../../src/concurrency/timeout.ts";

/** Counts of all streams since `reset`. */
export const buffering = {
  /** The most bytes that were inflated and not yet read. */
  mostBytes: 0,
  writes: 0,
  /** Streams that were neither read to their end nor cancelled. */
  open: 0,
  /** The most streams that were open at once. */
  mostOpen: 0,
  /** Milliseconds that each write takes. */
  writeMs: 0,
  reset(): void {
    Object.assign(this, { mostBytes: 0, writes: 0, open: 0, mostOpen: 0, writeMs: 0 });
  },
};

class BufferingInflate {
  readonly writable: WritableStream<Uint8Array>;
  readonly readable: ReadableStream<Uint8Array>;

  constructor() {
    const inflate = createInflate();
    let buffered = Buffer.alloc(0);
    let isEnded = false;
    let changed = Promise.withResolvers<void>();
    const wake = () => {
      changed.resolve();
      changed = Promise.withResolvers<void>();
    };
    inflate.on("data", (data: Buffer) => {
      buffered = Buffer.concat([buffered, data]);
      buffering.mostBytes = Math.max(buffering.mostBytes, buffered.length);
    });
    const failed = once(inflate, "end").then(
      () => undefined,
      (error: unknown) => error,
    );
    void failed.then(() => {
      isEnded = true;
      wake();
    });
    buffering.open++;
    buffering.mostOpen = Math.max(buffering.mostOpen, buffering.open);
    this.writable = new WritableStream({
      async write(slice) {
        buffering.writes++;
        if (buffering.writeMs > 0) await pause(buffering.writeMs);
        await new Promise<void>((resolve, reject) => {
          inflate.write(slice, (error) => (error ? reject(error) : resolve()));
        });
        wake();
      },
      close() {
        inflate.end();
      },
    });
    this.readable = new ReadableStream({
      type: "bytes",
      async pull(controller) {
        while (buffered.length === 0 && !isEnded) await changed.promise;
        const error = buffered.length === 0 ? await failed : undefined;
        const { byobRequest } = controller;
        const view = byobRequest?.view as Uint8Array;
        if (buffered.length === 0) {
          buffering.open--;
          if (error) return controller.error(error);
          controller.close();
          byobRequest?.respond(0);
          return;
        }
        const length = Math.min(view.length, buffered.length);
        view.set(buffered.subarray(0, length));
        buffered = buffered.subarray(length);
        byobRequest?.respond(length);
      },
      cancel() {
        buffering.open--;
      },
    });
  }
}

/** Runs `run` with workerd's kind of stream in place of Node's. */
export async function withBufferingInflate<T>(run: () => Promise<T>): Promise<T> {
  const original = globalThis.DecompressionStream;
  buffering.reset();
  Object.assign(globalThis, { DecompressionStream: BufferingInflate });
  try {
    return await run();
  } finally {
    Object.assign(globalThis, { DecompressionStream: original });
  }
}
