/** Bodies read into one piece: by a byte stream straight to its place, by any other from chunks. */
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ClassifierError } from "../src/errors.ts";
import { joinChunks, readStream } from "../src/read-stream.ts";
import { IdleTimer, timedOut } from "../src/timeout.ts";
import { never } from "./support/deferred.ts";

interface Source {
  /** What comes at the end; else it just ends. */
  readonly end?: "error" | "silence";
  readonly onCancel?: () => void;
}

type Make = (chunks: readonly Uint8Array[], source?: Source) => ReadableStream<Uint8Array>;

const makeOf =
  (type: "bytes" | undefined): Make =>
  (chunks, { end, onCancel = () => {} } = {}) => {
    let i = 0;
    const source = {
      ...(type && { type }),
      pull: (controller: ReadableByteStreamController) => {
        const chunk = chunks[i++];
        if (chunk) return controller.enqueue(chunk.slice());
        if (end === "error") throw new Error("reset");
        if (end === "silence") return never<void>();
        controller.close();
        // A reader that brought a buffer gets it back, empty.
        controller.byobRequest?.respond(0);
      },
      cancel: onCancel,
    };
    return new ReadableStream(source as UnderlyingByteSource);
  };

const bytes = (...values: number[]) => Uint8Array.from(values);

async function refusal(reading: Promise<Uint8Array>): Promise<unknown> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof ClassifierError ? error.reason : error;
}

describe.each([
  ["a byte stream, as bodies are in workerd", makeOf("bytes")],
  ["a stream of chunks", makeOf(undefined)],
])("%s", (_, make) => {
  test("is read whole, however it is cut and whatever was announced", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 }),
        fc.nat(5000),
        async (chunks, announced) => {
          const whole = await readStream(make(chunks), 4000, undefined, announced);
          expect(Buffer.from(whole).equals(Buffer.concat(chunks))).toBe(true);
          // No room is left over, which would be held as long as the image is.
          expect(whole.buffer.byteLength).toBe(whole.length);
        },
      ),
    );
  });

  test("of just as many bytes as may come is read, of one more refused and cancelled", async () => {
    const chunks = [bytes(1, 2, 3), bytes(4, 5)];
    const more = [...chunks, bytes(6), bytes(7), bytes(8)];
    expect(await readStream(make(chunks), 5, undefined, 5)).toEqual(bytes(1, 2, 3, 4, 5));
    const onCancel = vi.fn();
    const reading = readStream(make(more, { onCancel }), 5, undefined, 5);
    expect(await refusal(reading)).toEqual({ code: "image_too_large", unit: "bytes", measured: 6, limit: 5 });
    expect(onCancel).toHaveBeenCalledOnce();
  });

  test("that breaks off says how much had come", async () => {
    const reading = readStream(make([bytes(1, 2, 3)], { end: "error" }), 10, undefined, 10);
    expect(await refusal(reading)).toEqual({
      code: "body_interrupted",
      bytes: 3,
      detail: "the connection was lost",
    });
  });

  test("that stalls is cut off, and cancelled", async () => {
    const onCancel = vi.fn();
    const pace = { idleMs: 20, minBytesPerSecond: 1 };
    const reading = readStream(make([bytes(1, 2, 3)], { end: "silence", onCancel }), 10, pace, 10);
    expect(await refusal(reading)).toMatchObject({ detail: "nothing came for 20 ms", bytes: 3 });
    expect(onCancel).toHaveBeenCalledOnce();
  });

  test("that somebody else reads is not waited for", async () => {
    const stream = make([bytes(1)]);
    stream.getReader();
    await expect(readStream(stream, 10)).rejects.toThrow(TypeError);
  });
});

test("chunks that lie in one buffer with others leave it alone; the rest are freed as they are joined", () => {
  const shared = bytes(1, 2, 3, 4);
  const own = bytes(9);
  expect(joinChunks([shared.subarray(0, 2), own])).toEqual(bytes(1, 2, 9));
  expect(shared).toEqual(bytes(1, 2, 3, 4));
  expect(own.buffer.detached).toBe(true);
});

describe("IdleTimer", () => {
  afterEach(() => void vi.useRealTimers());

  test("one timer is all that a thousand waits take", async () => {
    const spy = vi.spyOn(globalThis, "setTimeout");
    const timer = new IdleTimer(60_000);
    for (let i = 0; i < 1000; i++) expect(await timer.settle(Promise.resolve(i))).toBe(i);
    timer.stop();
    expect(spy).toHaveBeenCalledOnce();
    spy.mockRestore();
  });

  test("the time counts from the last wait, not from the first", async () => {
    vi.useFakeTimers();
    const timer = new IdleTimer(100);
    for (let i = 0; i < 5; i++) {
      const late = new Promise((resolve) => setTimeout(resolve, 80, i));
      const settled = timer.settle(late);
      await vi.advanceTimersByTimeAsync(80);
      expect(await settled).toBe(i);
    }
    let outcome: unknown;
    timer.settle(never()).then((value) => {
      outcome = value;
    });
    await vi.advanceTimersByTimeAsync(99);
    expect(outcome).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome).toBe(timedOut);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a failure is passed on, and a stopped timer leaves nothing behind", async () => {
    vi.useFakeTimers();
    const timer = new IdleTimer(100);
    await expect(timer.settle(Promise.reject(new Error("reset")))).rejects.toThrow("reset");
    timer.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
