/** A body that is held for classification and then sent to clients of any speed. test/worker/cdn.test.ts runs it in workerd. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { joinChunks } from "../../src/bytes/read-stream.ts";
import { Admission } from "../../src/concurrency/admission.ts";
import { bufferUpTo, send } from "../../src/http/cdn/buffered-body.ts";

const KiB = 1024;

/** Behaves like workerd's stream: a write copies its bytes and resolves when they are read, and an abort ends it at once. */
class IdentityTransformStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;

  constructor() {
    let wanted = Promise.withResolvers<void>();
    let source!: ReadableStreamDefaultController<Uint8Array>;
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          source = controller;
        },
        pull: () => wanted.resolve(),
        cancel: (reason) => wanted.reject(reason),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream({
      async write(chunk, { signal }) {
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
        await Promise.race([wanted.promise, aborted]);
        wanted = Promise.withResolvers();
        source.enqueue(chunk.slice());
      },
      close: () => source.close(),
      abort: (reason) => source.error(reason),
    });
  }
}

beforeEach(() => {
  vi.stubGlobal("IdentityTransformStream", IdentityTransformStream);
  vi.stubGlobal("FixedLengthStream", IdentityTransformStream);
});
afterEach(() => vi.unstubAllGlobals());

function numbered(bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => i % 251);
}

const sameBytes = (a: Uint8Array, b: Uint8Array) => expect(Buffer.compare(a, b)).toBe(0);

function streamOf(bytes: Uint8Array, chunkBytes: number): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(offset, offset + chunkBytes));
      offset += chunkBytes;
    },
  });
}

function admissionOf(capacityBytes: number): Admission {
  return new Admission({ capacityBytes, reservedBytes: 0, maxWaiting: 9, maxWaitMs: 1000, leaseMs: 60_000 });
}

describe("a body that is read into memory", () => {
  const buffer = async (admission: Admission, bytes: number, maxBytes: number) => {
    const permit = await admission.acquire({ bytes: 0, maxBytes });
    const body = streamOf(numbered(bytes), 10 * KiB);
    return { permit, buffered: await bufferUpTo(body, { maxBytes, withinMs: 50, permit }) };
  };

  test("takes memory as its bytes arrive, and no more than they need", async () => {
    const admission = admissionOf(1000 * KiB);
    const { permit, buffered } = await buffer(admission, 300 * KiB, 500 * KiB);
    expect(buffered.rest).toBe(undefined);
    expect(permit.heldBytes).toBeGreaterThanOrEqual(300 * KiB);
    expect(permit.heldBytes).toBeLessThanOrEqual((300 + 64) * KiB);
    sameBytes(joinChunks(buffered.chunks), numbered(300 * KiB));
  });

  test("stays in its stream if there is no memory for it", async () => {
    const admission = admissionOf(500 * KiB);
    const other = await admission.acquire({ bytes: 300 * KiB, maxBytes: 300 * KiB });
    const { permit, buffered } = await buffer(admission, 400 * KiB, 500 * KiB);
    expect(buffered.rest?.reason).toBe("overloaded");
    expect(permit.heldBytes).toBeLessThanOrEqual(200 * KiB);
    permit.release();
    other.release();
    expect(admission.heldBytes).toBe(0);
  });

  test("stays in its stream if it is too large", async () => {
    const { permit, buffered } = await buffer(admissionOf(500 * KiB), 400 * KiB, 100 * KiB);
    expect(buffered.rest?.reason).toBe("image_too_large");
    expect(permit.heldBytes).toBe(100 * KiB);
  });
});

describe("a body that is sent", () => {
  function sending(bytes: Uint8Array<ArrayBuffer>, buffered: number, minBytesPerSecond = 1024 * KiB) {
    const sent: number[] = [];
    const progress = { slices: 0 };
    const chunks = [bytes.slice(0, buffered / 2), bytes.slice(buffered / 2, buffered)];
    const reader = streamOf(bytes.slice(buffered), 10 * KiB).getReader();
    const rest = buffered < bytes.length ? { rest: { reason: "timeout" as const, reader } } : {};
    const options = {
      length: bytes.length,
      pace: { idleMs: 50, minBytesPerSecond },
      onProgress: () => void progress.slices++,
      onSent: (chunk: Uint8Array) => void sent.push(chunk.length),
    };
    return { ...send({ chunks, ...rest }, options), sent, progress };
  }

  test.each([
    ["whole", 400 * KiB],
    ["with a rest", 200 * KiB],
  ])("%s arrives byte for byte, and frees its chunks one by one", async (_, buffered) => {
    const bytes = numbered(400 * KiB);
    const { readable, done, sent, progress } = sending(bytes, buffered);
    sameBytes(new Uint8Array(await new Response(readable).arrayBuffer()), bytes);
    await done;
    expect(sent).toEqual([buffered / 2, buffered / 2]);
    expect(progress.slices).toBeGreaterThanOrEqual(buffered / (64 * KiB));
  });

  test("to a client that stops reading is cut off, and frees the rest", async () => {
    const { readable, done, sent } = sending(numbered(400 * KiB), 400 * KiB);
    const reader = readable.getReader();
    expect((await reader.read()).value?.length).toBe(64 * KiB);
    await done;
    expect(sent).toEqual([200 * KiB, 200 * KiB]);
    await expect(reader.read()).rejects.toThrow("the client read nothing for 50 ms");
  });

  test("to a client that never reads is cut off", async () => {
    const { done, sent } = sending(numbered(400 * KiB), 400 * KiB);
    await done;
    expect(sent).toEqual([200 * KiB, 200 * KiB]);
  });

  test("to a client that reads without a pause but too slowly is cut off", async () => {
    // The client is never idle, but needs 5 ms per 64 KiB, when the limit is a GiB per second.
    const { readable, done } = sending(numbered(4096 * KiB), 4096 * KiB, 1024 * 1024 * KiB);
    const reader = readable.getReader();
    const drained = (async () => {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await expect(drained).rejects.toThrow("the client read slower than");
    await done;
  });

  test("to a client that disconnects ends, and frees the rest", async () => {
    const { readable, done, sent } = sending(numbered(400 * KiB), 200 * KiB);
    await readable.cancel();
    await done;
    expect(sent).toEqual([100 * KiB, 100 * KiB]);
  });
});
