/** What a decoder allocates for itself is gone when it is done, not when the collector comes round. */
import { describe, expect, test } from "vitest";
import { parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { decodeWithJpegJs } from "../../src/image/jpeg-js-decoder.ts";
import { checkJpeg } from "../../src/image/jpeg-scans.ts";
import { freeingScratch } from "../../src/image/scratch-arrays.ts";
import { exampleImage } from "../support/worker.ts";

const globals = { Int32Array, Uint8Array };

describe("freeingScratch", () => {
  test("frees what was made, keeps the result, and cuts blocks from one buffer", () => {
    const made: (Int32Array | Uint8Array)[] = [];
    const input = Uint8Array.of(1, 2, 3);
    const kept = freeingScratch(
      2,
      () => {
        const blocks = [new Int32Array(64), new Int32Array(64), new Int32Array(64)];
        expect(blocks[0]?.buffer).toBe(blocks[1]?.buffer);
        expect(blocks[1]?.buffer).not.toBe(blocks[2]?.buffer);
        blocks[0]!.fill(7);
        expect(blocks[1]!.every((value) => value === 0)).toBe(true);
        const view = new Uint8Array(input.buffer);
        made.push(blocks[0]!, blocks[1]!, new Uint8Array(10));
        expect([view instanceof Uint8Array, new Int32Array([5])[0]]).toEqual([true, 5]);
        return new Uint8Array(view);
      },
      (array) => array,
    );
    expect([...kept]).toEqual([1, 2, 3]);
    expect([...input]).toEqual([1, 2, 3]);
    expect(made.map(({ length }) => length)).toEqual([0, 0, 0]);
  });

  test("puts the globals back, also when the work throws", () => {
    const made: Uint8Array[] = [];
    const fail = () => {
      made.push(new Uint8Array(5));
      throw new Error("broken");
    };
    expect(() => freeingScratch(1, fail, () => new Uint8Array(0))).toThrow("broken");
    expect(made[0]?.length).toBe(0);
    expect({ Int32Array, Uint8Array }).toEqual(globals);
  });
});

test("decodes by jpeg-js leave their pixels and next to nothing else", async () => {
  const bytes = await exampleImage("ship");
  const jpeg = checkJpeg(bytes, parseJpegHeader(bytes));
  decodeWithJpegJs(jpeg);
  const before = process.memoryUsage().arrayBuffers;
  const images = Array.from({ length: 3 }, () => decodeWithJpegJs(jpeg));
  const pixels = images.reduce((sum, { data }) => sum + data.buffer.byteLength, 0);
  // Else the coefficients of each, 8 MiB; few enough that the collector does not come yet.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(pixels + 4 * 2 ** 20);
});
