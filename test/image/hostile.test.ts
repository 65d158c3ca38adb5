import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { segment, writeJpeg } from "../../tools/fuzz/jpeg-writer.ts";
import { dcOnly, decodeWithin, jpegJs, scaledTo } from "../support/image-decoders.ts";
import { outcomeOf, reasonOf } from "../support/image-errors.ts";
import { gradient } from "../support/image-reference.ts";

const limits = { maxPixels: 1_000_000, maxDecodeBytes: 64 * 2 ** 20 };
const decode = (bytes: Uint8Array) => decodeWithin(bytes, limits);
/** Each on its own: the front door would send these small files to jpeg-js alone. */
const decoders: [string, (bytes: Uint8Array) => unknown][] = [
  ["the front door", decode],
  ["jpeg-js", jpegJs],
  ["the scaled decoder at 1/1", (bytes) => scaledTo(bytes, 8)],
  ["the scaled decoder at 1/8", (bytes) => scaledTo(bytes, 1)],
  ["the DC-only decoder", dcOnly],
];
const outcomes = ["decoded", "empty_body", "image_undecodable", "unsupported_image", "image_too_large"];

async function specimens(): Promise<Map<string, Uint8Array>> {
  const image = () => gradient(40, 24);
  const written = {
    baseline: image().jpeg(),
    progressive: image().jpeg({ progressive: true }),
    grey: image().toColourspace("b-w").jpeg(),
    cmyk: image().toColourspace("cmyk").jpeg(),
  };
  const all = new Map<string, Uint8Array>();
  for (const [name, pipeline] of Object.entries(written)) {
    all.set(name, new Uint8Array(await pipeline.toBuffer()));
  }
  const components = [1, 2, 3].map((id) => ({ id, h: 1, v: 1 }));
  all.set("restarts", writeJpeg({ width: 40, height: 24, components, restartInterval: 4 }));
  all.set("scans", writeJpeg({ width: 40, height: 24, components, scans: [[0], [1], [2]] }));
  return all;
}

const files = await specimens();

describe.each([...files])("a damaged %s file", (_, bytes) => {
  test("cut short after any byte is refused as a client's mistake", () => {
    for (let length = 0; length < bytes.length; length++) {
      const outcome = outcomeOf(() => decode(bytes.slice(0, length)));
      const expected = length === 0 ? "empty_body" : length === 1 ? "unsupported_image" : "image_undecodable";
      expect([length, outcome]).toEqual([length, expected]);
    }
    for (const [, each] of decoders) expect(outcomeOf(() => each(bytes))).toBe("decoded");
  });

  test.each(decoders)("with flipped bits, by %s: decoded or refused, never anything else", (_, each) => {
    const flips = fc.array(fc.nat(bytes.length * 8 - 1), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(flips, (positions) => {
        const damaged = bytes.slice();
        for (const position of positions) damaged[position >> 3]! ^= 1 << (position & 7);
        expect(outcomes).toContain(outcomeOf(() => each(damaged)));
      }),
      { numRuns: 300 },
    );
  });

  test.each(decoders)("with a run of other bytes, by %s: decoded or refused", (_, each) => {
    const splice = fc.tuple(fc.nat(bytes.length), fc.nat(20), fc.uint8Array({ maxLength: 20 }));
    fc.assert(
      fc.property(splice, ([at, removed, added]) => {
        const damaged = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...added,
          ...bytes.subarray(at + removed),
        ]);
        expect(outcomes).toContain(outcomeOf(() => each(damaged)));
      }),
      { numRuns: 150 },
    );
  });
});

test("any bytes behind a start-of-image marker are decoded or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (tail) => {
      expect(outcomes).toContain(outcomeOf(() => decode(Uint8Array.from([0xff, 0xd8, 0xff, ...tail]))));
    }),
    { numRuns: 500 },
  );
});

describe("a file made to keep the decoder busy is refused before decoding", () => {
  test("thousands of progressive scans that code nothing", () => {
    const progressive = files.get("progressive")!;
    const scan = [...segment(0xda, [1, 1, 0, 1, 63, 0x01]), 0];
    const at = progressive.length - 2;
    const bomb = Uint8Array.from([
      ...progressive.subarray(0, at),
      ...Array.from({ length: 5000 }, () => scan).flat(),
      ...progressive.subarray(at),
    ]);
    expect(reasonOf(() => decode(bomb))).toMatchObject({ detail: "it repeats its scans far too often" });
  });

  test("thousands of Huffman tables", () => {
    const table = segment(0xc4, [0x13, ...new Array<number>(15).fill(0), 1, 0]);
    const baseline = files.get("baseline")!;
    const bomb = Uint8Array.from([
      ...baseline.subarray(0, 2),
      ...Array.from({ length: 10_000 }, () => table).flat(),
      ...baseline.subarray(2),
    ]);
    expect(reasonOf(() => decode(bomb))).toMatchObject({
      detail: "it has far more Huffman tables than scans",
    });
  });

  test("a megabyte of comments is passed over", () => {
    const baseline = files.get("baseline")!;
    const comments = Array.from({ length: 16 }, () =>
      segment(0xfe, new Array<number>(65533).fill(65)),
    ).flat();
    const padded = Uint8Array.from([...baseline.subarray(0, 2), ...comments, ...baseline.subarray(2)]);
    expect(decode(padded).image).toEqual(decode(baseline).image);
  });
});
