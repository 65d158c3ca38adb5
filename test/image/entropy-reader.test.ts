/** The reader of entropy-coded data stays within its bytes for any input. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JpegRows } from "../../src/image/jpeg/decode.ts";
import { AcDecoder, EntropyReader, HuffmanDecoder, zigzag } from "../../src/image/jpeg/entropy-reader.ts";
import { parseJpegHeader } from "../../src/image/jpeg/header.ts";
import { checkJpeg } from "../../src/image/jpeg/scans.ts";
import { seededChoices } from "../fuzz/choices.ts";
import { hostileFile } from "../fuzz/generate.ts";
import { smallJpegs } from "../fuzz/seeds.ts";
import { outcomeOf } from "../support/image-errors.ts";

const small = await smallJpegs();

describe("the reader of entropy-coded data", () => {
  const table = fc
    .tuple(
      fc.array(fc.nat(3), { minLength: 16, maxLength: 16 }),
      fc.uint8Array({ minLength: 48, maxLength: 48 }),
    )
    .map(([wanted, symbols]) => ({ tableClass: "dc" as const, slot: 0, counts: fitted(wanted), symbols }));

  /** Includes complete tables, and symbols as in real files: short runs, small values, ends of blocks. */
  const acTable = fc
    .tuple(
      fc.array(fc.nat(3), { minLength: 16, maxLength: 16 }),
      fc.array(fc.oneof(fc.constantFrom(0x00, 0x01, 0x02, 0x11, 0xf0, 0x03), fc.nat(255)), {
        minLength: 48,
        maxLength: 48,
      }),
    )
    .map(([wanted, symbols]) => ({
      tableClass: "ac" as const,
      slot: 0,
      counts: fitted(wanted),
      symbols: Uint8Array.from(symbols),
    }));

  test("reads no byte outside its data, and at most one symbol per bit", () => {
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
          // The byte after an FF at the end decides whether it is a marker.
          for (const index of seen) expect(index >= start && index <= end).toBe(true);
        },
      ),
      { numRuns: 300, seed: 8 },
    );
  });

  test.each([
    ["skipped", 0],
    ["read up to the third coefficient", 3],
    ["read completely", 63],
  ])("blocks that are %s equal those of a reader of single symbols", (_, last) => {
    let blocks = 0;
    fc.assert(
      fc.property(acTable, fc.uint8Array({ minLength: 1, maxLength: 400 }), (huffman, noise) => {
        // No markers: FF is always stuffed.
        const data = Uint8Array.from([...noise].flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
        const table = new AcDecoder(huffman);
        const [fast, slow] = [0, 1].map(() => new EntropyReader(data, 0, data.length)) as [
          EntropyReader,
          EntropyReader,
        ];
        for (;;) {
          const block = new Int16Array(64);
          const expected = new Int16Array(64);
          let extent = 0;
          const outcomes = [
            outcomeOf(() => {
              if (last === 0) fast.skipAc(table);
              else extent = fast.readAc(table, block, 0, last);
            }),
            outcomeOf(() => readOneByOne(slow, table.huffman, expected)),
          ];
          expect(outcomes[0]).toBe(outcomes[1]);
          if (outcomes[0] !== "decoded") return;
          for (let k = 1; k <= last; k++) expect(block[zigzag[k]!]).toBe(expected[zigzag[k]!]);
          for (let k = extent + 1; k <= last; k++) expect(expected[zigzag[k]!]).toBe(0);
          blocks++;
          // A DC value follows, as in a file. It is equal if both readers are at the same bit.
          const dc: number[] = [];
          const ends = [fast, slow].map((reader) => outcomeOf(() => dc.push(reader.bits(7))));
          expect(ends[0]).toBe(ends[1]);
          if (ends[0] !== "decoded") return;
          expect(dc[0]).toBe(dc[1]);
        }
      }),
      { numRuns: 2000, seed: 12 },
    );
    expect(blocks).toBeGreaterThan(2000);
  });

  test("a hostile file is read within its bytes or refused", () => {
    for (let index = 0; index < 600; index++) {
      const { bytes } = hostileFile(seededChoices(5, index), small);
      const seen: number[] = [];
      const outcome = outcomeOf(() => {
        const header = parseJpegHeader(bytes);
        if (header.width * header.height > 1_000_000) return;
        const jpeg = checkJpeg(bytes, header);
        const rows = new JpegRows(
          { ...jpeg, bytes: watched(bytes, seen) },
          ([1, 2, 4, 8] as const)[index % 4]!,
        );
        for (let y = 0; y < rows.height; y++) rows.row(y);
        rows.finish();
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
      // Each byte is read at most twice, and once more after an FF or in the search for a restart marker.
      expect(seen.length).toBeLessThanOrEqual(4 * 32 * bytes.length);
    }
  });
});

/** Reads a block as in T.81 figure F.13, one symbol at a time. */
function readOneByOne(reader: EntropyReader, table: HuffmanDecoder, block: Int16Array): void {
  for (let k = 1; k < 64; k++) {
    const symbol = reader.symbol(table);
    const size = symbol & 15;
    if (size === 0 && symbol !== 0xf0) return;
    k += symbol >> 4;
    const value = reader.signed(size);
    if (size > 0) block[zigzag[k]!] = value;
  }
}

/** Limits the counts to codes that bits can distinguish, which jpeg-tables.ts accepts. */
function fitted(wanted: readonly number[]): Uint8Array {
  let free = 1;
  return Uint8Array.from(wanted, (count) => {
    free *= 2;
    const codes = Math.min(count, free);
    free -= codes;
    return codes;
  });
}

/** The bytes, which record the indices that are read. */
function watched(bytes: Uint8Array, seen: number[]): Uint8Array {
  return new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^-?\d+$/.test(key)) seen.push(Number(key));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
