/** Our own reader of entropy-coded data stays within its bytes, whatever they are. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readDcCoefficients } from "../../src/image/dc-coefficients.ts";
import { EntropyReader, HuffmanDecoder } from "../../src/image/entropy-reader.ts";
import { parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { checkJpeg } from "../../src/image/jpeg-scans.ts";
import { seededChoices } from "../../tools/fuzz/choices.ts";
import { hostileFile } from "../../tools/fuzz/generate.ts";
import { smallSeeds } from "../../tools/fuzz/seeds.ts";
import { outcomeOf } from "../support/image-errors.ts";

const small = await smallSeeds();

describe("the reader of entropy-coded data", () => {
  const table = fc
    .tuple(
      fc.array(fc.nat(3), { minLength: 16, maxLength: 16 }),
      fc.uint8Array({ minLength: 48, maxLength: 48 }),
    )
    .map(([wanted, symbols]) => ({ tableClass: "dc" as const, slot: 0, counts: fitted(wanted), symbols }));

  test("reads no byte outside its data, and at most as many symbols as it has bits", () => {
    fc.assert(
      fc.property(
        table,
        fc.uint8Array({ maxLength: 100 }),
        fc.nat(50),
        fc.nat(50),
        (huffman, data, before, after) => {
          const start = Math.min(before, data.length);
          const end = Math.max(start, data.length - after);
          const seen: number[] = [];
          const reader = new EntropyReader(watched(data, seen), start, end);
          const decoder = new HuffmanDecoder(huffman);
          let symbols = 0;
          const outcome = outcomeOf(() => {
            for (; symbols <= 8 * data.length; symbols++) reader.symbol(decoder);
          });
          expect(outcome).toBe("image_undecodable");
          expect(symbols).toBeLessThanOrEqual(8 * (end - start));
          // The byte behind an FF at the end tells whether it is a marker.
          for (const index of seen) expect(index >= start && index <= end).toBe(true);
        },
      ),
      { numRuns: 300, seed: 8 },
    );
  });

  test("the DC coefficients of a hostile file are read within its bytes, or it is refused", () => {
    for (let index = 0; index < 600; index++) {
      const { bytes } = hostileFile(seededChoices(5, index), small);
      const seen: number[] = [];
      const outcome = outcomeOf(() => {
        const header = parseJpegHeader(bytes);
        if (header.width * header.height > 1_000_000) return;
        const jpeg = checkJpeg(bytes, header);
        readDcCoefficients({ ...jpeg, bytes: watched(bytes, seen) });
      });
      expect([
        "decoded",
        "empty_body",
        "image_undecodable",
        "unsupported_image",
        "image_too_large",
      ]).toContain(outcome);
      for (const at of seen)
        if (at < 0 || at >= bytes.length) expect.fail(`read byte ${at} of ${bytes.length}`);
      // Each byte is read twice at most, and once more where it follows an FF or a restart is looked for.
      expect(seen.length).toBeLessThanOrEqual(4 * 32 * bytes.length);
    }
  });
});

/** Counts of codes that bits can tell apart, as jpeg-tables.ts lets pass. */
function fitted(wanted: readonly number[]): Uint8Array {
  let free = 1;
  return Uint8Array.from(wanted, (count) => {
    free *= 2;
    const codes = Math.min(count, free);
    free -= codes;
    return codes;
  });
}

/** The bytes, telling which were read. */
function watched(bytes: Uint8Array, seen: number[]): Uint8Array {
  return new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^-?\d+$/.test(key)) seen.push(Number(key));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
