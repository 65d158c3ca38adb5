/** Inflating in Node, and in a stream like workerd's, which has no backpressure. */
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inflate } from "../../src/image/png/inflate.ts";
import { buffering, withBufferingInflate } from "../support/buffering-inflate.ts";
import { rejectionOf } from "../support/image-errors.ts";

const MiB = 2 ** 20;
const environments = [
  ["in Node", <T>(run: () => Promise<T>) => run()],
  ["in a stream that buffers", withBufferingInflate],
] as const;

/** Deflates, and cuts the stream into pieces of the given sizes, over and over. */
function* pieces(data: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < data.length; i++) {
    const end = at + Math.max(1, sizes[i % sizes.length] ?? data.length);
    yield data.subarray(at, end);
    at = end;
  }
}

async function inflated(
  data: Uint8Array,
  sizes: readonly number[] = [],
  expectedBytes = 1000,
): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  await inflate(pieces(data, sizes), expectedBytes, (block) => blocks.push(block.slice()), undefined);
  return Buffer.concat(blocks);
}

describe.each(environments)("%s", (_, within) => {
  test("any data in any pieces comes out whole and in order", async () => {
    const data = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc
        .tuple(fc.nat({ max: 255 }), fc.integer({ min: 1, max: 300_000 }))
        .map(([value, length]) => new Uint8Array(length).fill(value)),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 2500 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(data, sizes, fc.nat({ max: 400_000 }), async (content, cuts, expectedBytes) => {
        const compressed = new Uint8Array(deflateSync(content));
        const actual = await within(() => inflated(compressed, cuts, expectedBytes));
        expect(actual.equals(content)).toBe(true);
      }),
      { numRuns: 60, seed: 17 },
    );
  });

  test("a thousand tiny pieces are written together", async () => {
    const content = Uint8Array.from({ length: 5000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
    await within(async () => {
      expect((await inflated(new Uint8Array(deflateSync(content)), [1])).equals(content)).toBe(true);
      expect(buffering.writes).toBeLessThanOrEqual(6);
    });
  });

  test("broken data and data that ends early are refused", async () => {
    const compressed = new Uint8Array(deflateSync(new Uint8Array(100_000).map((_, i) => i * i)));
    const broken = compressed.map((byte, i) => (i > 50 ? 0x55 : byte));
    for (const data of [broken, compressed.subarray(0, 70), compressed.subarray(0, -2), new Uint8Array(0)]) {
      const reason = await within(() => rejectionOf(inflated(data)));
      expect(reason).toMatchObject({
        code: "image_undecodable",
        detail: expect.stringContaining("compressed data"),
      });
    }
  });

  test("an error of the taker ends the stream and is thrown", async () => {
    const compressed = new Uint8Array(deflateSync(new Uint8Array(1_000_000)));
    const fault = new Error("enough");
    await within(async () => {
      const take = () => {
        throw fault;
      };
      await expect(inflate([compressed], 10, take, undefined)).rejects.toBe(fault);
      expect(buffering.open).toBe(0);
    });
  });

  test("an abort ends the stream with its reason, and no piece is read afterwards", async () => {
    const compressed = new Uint8Array(
      deflateSync(
        Uint8Array.from({ length: 1_000_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24),
        { level: 0 },
      ),
    );
    const controller = new AbortController();
    const fault = new Error("abandoned");
    let read = 0;
    function* counted() {
      for (const piece of pieces(compressed, [70_000])) {
        expect(controller.signal.aborted).toBe(false);
        read++;
        yield piece;
      }
    }
    await within(async () => {
      const take = () => controller.abort(fault);
      await expect(inflate(counted(), 10, take, controller.signal)).rejects.toBe(fault);
      expect(read).toBeLessThan(5);
      expect(buffering.open).toBe(0);
    });
  });
});

test("a stream that buffers holds at most 2 MiB, although it expands a thousand times", async () => {
  const content = new Uint8Array(60_000_000);
  const compressed = new Uint8Array(deflateSync(content, { level: 9 }));
  expect(content.length / compressed.length).toBeGreaterThan(1000);
  await withBufferingInflate(async () => {
    let bytes = 0;
    const take = (block: Uint8Array) => {
      bytes += block.length;
    };
    await inflate([compressed], content.length, take, undefined);
    expect(bytes).toBe(content.length);
    expect(buffering.mostBytes).toBeLessThanOrEqual(2 * MiB);
  });
});
