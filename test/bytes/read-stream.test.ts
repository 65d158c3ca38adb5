/** Reads bodies into one array: from a byte stream directly, from any other stream by chunks. */
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  joinChunks,
  type Reading,
  type Room,
  readStream as readAnyStream,
  type StreamFault,
} from "../../src/bytes/read-stream.ts";
import { IdleTimer, settleWithin, timedOut } from "../../src/concurrency/timeout.ts";
import { ClassifierError, imageTooLarge } from "../../src/errors.ts";
import { firstReadBytes } from "../../src/limits.ts";
import { deferred, never } from "../support/deferred.ts";

interface Source {
  /** What happens at the end. By default the stream ends. */
  readonly end?: "error" | "silence";
  readonly onCancel?: () => void;
  readonly onChunk?: (bytes: number) => void;
}

type Make = (chunks: readonly Uint8Array[], source?: Source) => ReadableStream<Uint8Array>;

const makeOf =
  (type: "bytes" | undefined): Make =>
  (chunks, { end, onCancel = () => {}, onChunk = () => {} } = {}) => {
    let i = 0;
    const source = {
      ...(type && { type }),
      pull: (controller: ReadableByteStreamController) => {
        const chunk = chunks[i++];
        if (chunk) {
          onChunk(chunk.length);
          return controller.enqueue(chunk.slice());
        }
        if (end === "error") throw new Error("reset");
        if (end === "silence") return never<void>();
        controller.close();
        // A reader that passed a buffer gets it back, empty.
        controller.byobRequest?.respond(0);
      },
      cancel: onCancel,
    };
    return new ReadableStream(source as UnderlyingByteSource);
  };

const byteStreams = makeOf("bytes");

const bodyError = (fault: StreamFault) =>
  fault.kind === "too_large"
    ? imageTooLarge("bytes", fault.bytes, fault.limit)
    : new ClassifierError({ code: "body_interrupted", measured: fault.bytes, detail: fault.detail }, fault);

/** Reads with the errors of a request body. */
const readStream = (stream: ReadableStream<Uint8Array>, reading: Omit<Reading, "errorOf">) =>
  readAnyStream(stream, { ...reading, errorOf: bodyError });

const bytes = (...values: number[]) => Uint8Array.from(values);

async function refusal(reading: Promise<Uint8Array>): Promise<unknown> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof ClassifierError ? error.reason : error;
}

describe.each([
  ["a byte stream, as bodies are in workerd", byteStreams],
  ["a stream of chunks", makeOf(undefined)],
])("%s", (_, make) => {
  test("is read completely, however it is split and whatever length was announced", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 }),
        fc.nat(5000),
        async (chunks, announced) => {
          const whole = await readStream(make(chunks), { maxBytes: 4000, expectedBytes: announced });
          expect(Buffer.from(whole).equals(Buffer.concat(chunks))).toBe(true);
          // No memory is left over. It would be held as long as the image.
          expect(whole.buffer.byteLength).toBe(whole.length);
        },
      ),
    );
  });

  test("of exactly the limit is read, of one byte more is refused and cancelled", async () => {
    const chunks = [bytes(1, 2, 3), bytes(4, 5)];
    const more = [...chunks, bytes(6), bytes(7), bytes(8)];
    expect(await readStream(make(chunks), { maxBytes: 5, expectedBytes: 5 })).toEqual(bytes(1, 2, 3, 4, 5));
    const onCancel = vi.fn();
    const reading = readStream(make(more, { onCancel }), { maxBytes: 5, expectedBytes: 5 });
    expect(await refusal(reading)).toEqual({ code: "image_too_large", unit: "bytes", measured: 6, limit: 5 });
    expect(onCancel).toHaveBeenCalledOnce();
  });

  test("that breaks off is reported with the received bytes", async () => {
    const reading = readStream(make([bytes(1, 2, 3)], { end: "error" }), { maxBytes: 10, expectedBytes: 10 });
    expect(await refusal(reading)).toEqual({
      code: "body_interrupted",
      measured: 3,
      detail: "the connection was lost",
    });
  });

  test("that stalls is refused and cancelled", async () => {
    const onCancel = vi.fn();
    const pace = { idleMs: 20, minBytesPerSecond: 1 };
    const stream = make([bytes(1, 2, 3)], { end: "silence", onCancel });
    const reading = readStream(stream, { maxBytes: 10, pace, expectedBytes: 10 });
    expect(await refusal(reading)).toMatchObject({ detail: "no bytes arrived for 20 ms", measured: 3 });
    expect(onCancel).toHaveBeenCalledOnce();
  });

  test("that is too slow is cut off; one that keeps the minimum speed is not", async () => {
    vi.useFakeTimers();
    const drips = (everyMs: number) => {
      let left = 40;
      const pull = async (controller: ReadableByteStreamController) => {
        await new Promise((resolve) => setTimeout(resolve, everyMs));
        if (left-- > 0) return controller.enqueue(bytes(1));
        controller.close();
        controller.byobRequest?.respond(0);
      };
      const type = make === byteStreams ? { type: "bytes" } : {};
      return new ReadableStream({ ...type, pull } as UnderlyingByteSource) as ReadableStream<Uint8Array>;
    };
    const pace = { idleMs: 1000, minBytesPerSecond: 10 };
    const slow = refusal(readStream(drips(200), { maxBytes: 1000, pace }));
    const steady = readStream(drips(90), { maxBytes: 1000, pace });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await slow).toMatchObject({ detail: expect.stringContaining("10 bytes per second") });
    expect((await steady).length).toBe(40);
    vi.useRealTimers();
  });

  test("that another reader has locked fails at once", async () => {
    const stream = make([bytes(1)]);
    stream.getReader();
    await expect(readStream(stream, { maxBytes: 10 })).rejects.toThrow(TypeError);
  });
});

describe.each([
  ["a byte stream", byteStreams],
  ["a stream of chunks", makeOf(undefined)],
])("the memory for %s", (_, make) => {
  /** Records what is requested. */
  class CountedRoom implements Room {
    heldBytes = firstReadBytes;
    readonly grown: number[] = [];
    async growTo(to: number) {
      this.grown.push(to);
      this.heldBytes = to;
    }
  }
  const KiB = 1024;
  const piece = (length: number) => new Uint8Array(length).fill(7);
  const pieces = (count: number, length: number) => Array.from({ length: count }, () => piece(length));

  test("a body of one read buffer needs no more than the first permit", async () => {
    const room = new CountedRoom();
    await readStream(make([piece(firstReadBytes)]), { maxBytes: 1e6, expectedBytes: firstReadBytes, room });
    expect(room.grown).toEqual([]);
  });

  test.each([
    ["announced", 2e6],
    ["not announced", undefined],
    ["announced too short", 100 * KiB],
    ["announced too long", 4e6],
  ])("grows in steps, at most one ahead of the received bytes: %s", async (_, expectedBytes) => {
    const room = new CountedRoom();
    let arrived = 0;
    const growTo = room.growTo.bind(room);
    room.growTo = (to) => {
      expect(to).toBeLessThanOrEqual(arrived + 256 * KiB);
      return growTo(to);
    };
    const onChunk = (length: number) => {
      arrived += length;
    };
    const stream = make(pieces(200, 10_000), { onChunk });
    const whole = await readStream(stream, { maxBytes: 5e6, expectedBytes, room });
    expect(whole.length).toBe(2e6);
    expect(room.heldBytes).toBeGreaterThanOrEqual(2e6);
  });

  test("a sender that announces much and sends little takes one read buffer", async () => {
    const room = new CountedRoom();
    const stream = make([piece(1000)], { end: "silence" });
    const pace = { idleMs: 20, minBytesPerSecond: 1 };
    await refusal(readStream(stream, { maxBytes: 5e6, expectedBytes: 2e6, pace, room }));
    expect(room.grown).toEqual([]);
  });

  test("while there is no memory, nothing is read and the sender is not timed", async () => {
    const chunks = pieces(20, 10_000);
    const read: number[] = [];
    const { promise, resolve } = deferred<void>();
    const room: Room = { heldBytes: firstReadBytes, growTo: () => promise };
    const stream = make(chunks, { onChunk: (length) => void read.push(length) });
    const pace = { idleMs: 20, minBytesPerSecond: 1e6 };
    const reading = readStream(stream, { maxBytes: 5e6, expectedBytes: 200_000, pace, room });
    await new Promise((done) => setTimeout(done, 200));
    const before = read.length;
    expect(before).toBeLessThan(10);
    resolve();
    expect((await reading).length).toBe(200_000);
    expect(read.length).toBe(20);
  });

  test("a refusal of memory cancels the stream", async () => {
    const onCancel = vi.fn();
    const room: Room = { heldBytes: 0, growTo: () => Promise.reject(new Error("no room")) };
    const reading = readStream(make(pieces(2, 10), { onCancel }), { maxBytes: 100, room });
    await expect(reading).rejects.toThrow("no room");
    expect(onCancel).toHaveBeenCalledOnce();
  });
});

test("chunks that share a buffer are not freed; all others are freed as they are joined", () => {
  const shared = bytes(1, 2, 3, 4);
  const own = bytes(9);
  expect(joinChunks([shared.subarray(0, 2), own])).toEqual(bytes(1, 2, 9));
  expect(shared).toEqual(bytes(1, 2, 3, 4));
  expect(own.buffer.detached).toBe(true);
});

/** Keeps the thread busy, like decoding. */
function block(ms: number): void {
  for (const untilMs = Date.now() + ms; Date.now() < untilMs; );
}

/** Settles in the same turn as a timer of `ms`, but after it, like data from a socket. */
const arrivesAfter = (ms: number) =>
  new Promise((resolve) => setTimeout(() => setImmediate(resolve, "data"), ms));

describe("settleWithin", () => {
  test("a promise that settles while the thread is busy is not late; one that does not settle is", async () => {
    const settled = settleWithin(arrivesAfter(50), 300);
    const missing = settleWithin(never(), 300);
    block(1000);
    expect(await settled).toBe("data");
    expect(await missing).toBe(timedOut);
  });
});

describe("IdleTimer", () => {
  afterEach(() => void vi.useRealTimers());

  test("a thousand waits need one timer", async () => {
    const spy = vi.spyOn(globalThis, "setTimeout");
    const timer = new IdleTimer(60_000);
    for (let i = 0; i < 1000; i++) expect(await timer.settle(Promise.resolve(i))).toBe(i);
    timer.stop();
    expect(spy).toHaveBeenCalledOnce();
    spy.mockRestore();
  });

  test("the time counts from the last wait", async () => {
    vi.useFakeTimers();
    const timer = new IdleTimer(100);
    for (let i = 0; i < 5; i++) {
      const late = new Promise((resolve) => setTimeout(resolve, 80, i));
      const settled = timer.settle(late);
      await vi.advanceTimersByTimeAsync(80);
      expect(await settled).toBe(i);
    }
    let outcome: unknown;
    void timer.settle(never()).then((value) => {
      outcome = value;
    });
    await vi.advanceTimersByTimeAsync(99);
    expect(outcome).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome).toBe(timedOut);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a promise that settles while the thread is busy is not late", async () => {
    const timer = new IdleTimer(300);
    const settled = timer.settle(arrivesAfter(50));
    block(1000);
    expect(await settled).toBe("data");
    timer.stop();
  });

  test("a missing result is noticed although the thread was busy", async () => {
    const timer = new IdleTimer(100);
    const settled = timer.settle(never());
    block(300);
    expect(await settled).toBe(timedOut);
  });

  test("counts the time of its waits, without the time in which the thread was busy or nothing waited", async () => {
    vi.useFakeTimers();
    const timer = new IdleTimer(10_000);
    const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const first = timer.settle(sleep(1000));
    await vi.advanceTimersByTimeAsync(1000);
    await first;
    await vi.advanceTimersByTimeAsync(5000);
    const second = timer.settle(sleep(2000));
    await vi.advanceTimersByTimeAsync(100);
    // Time passes without a timer firing.
    vi.setSystemTime(Date.now() + 30_000);
    await vi.advanceTimersByTimeAsync(1900);
    await second;
    expect(timer.waitedMs).toBeGreaterThanOrEqual(2900);
    expect(timer.waitedMs).toBeLessThanOrEqual(3250);
    timer.stop();
  });

  test("a failure is passed on, and a stopped timer leaves no timeout", async () => {
    vi.useFakeTimers();
    const timer = new IdleTimer(100);
    await expect(timer.settle(Promise.reject(new Error("reset")))).rejects.toThrow("reset");
    timer.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a body that is refused or breaks off is freed at once", async () => {
  let reads = 0;
  const failing = new ReadableStream({
    type: "bytes",
    pull: ({ byobRequest }: ReadableByteStreamController) => {
      if (++reads > 30) throw new Error("reset");
      byobRequest?.respond(byobRequest.view?.byteLength ?? 0);
    },
  });
  const before = process.memoryUsage().arrayBuffers;
  await expect(readStream(failing, { maxBytes: 16 * 1024 * 1024 })).rejects.toMatchObject({
    reason: { code: "body_interrupted" },
  });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
});
