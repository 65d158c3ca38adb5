import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToBase64 } from "../../src/bytes/byte-arrays.ts";
import { defaultModelName } from "../../src/default-model.ts";
import {
  type HeadFile,
  headInput,
  headLogits,
  headVersion,
  nearestCosine,
  parseHead,
} from "../../src/head/head.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const matrix = (values: number[]) => bytesToBase64(new Uint8Array(Float32Array.from(values).buffer));

/** Two classes on three features. */
async function headFile(changes: Partial<HeadFile> = {}): Promise<HeadFile> {
  const content = {
    format: 1 as const,
    name: "pets",
    version: "0".repeat(16),
    backbone: { name: defaultModelName, version: "5dfc6e06f1ecec7c" },
    method: "logistic" as const,
    labels: [
      { id: "cat", label: "cat" },
      { id: "dog", label: "dog" },
    ],
    feature_size: 3,
    normalize: "none" as const,
    weights: matrix([1, 2, 3, -1, 0, 0.5]),
    bias: [0.5, -0.25],
    temperature: 2,
    unknown: null,
    training: {},
    ...changes,
  };
  return { ...content, version: await headVersion(content) };
}

describe("a head", () => {
  test("scores features with its linear layer and its temperature", async () => {
    const head = await parseHead(encode(await headFile()));
    expect(Array.from(headLogits(head, headInput(Float32Array.of(1, 2, -1))))).toEqual([1.25, -0.875]);
  });

  test("scales the features to length 1 first with normalize l2", async () => {
    const head = await parseHead(encode(await headFile({ normalize: "l2", temperature: 1 })));
    expect(Array.from(headLogits(head, headInput(Float32Array.of(0, 3, 4))))).toEqual([
      expect.closeTo(2 * 0.6 + 3 * 0.8 + 0.5, 5),
      expect.closeTo(0.5 * 0.8 - 0.25, 5),
    ]);
  });

  test("measures the cosine to the nearest class, whatever the length of the features", async () => {
    const unknown = { centroids: matrix([1, 0, 0, 0, 1, 0]), threshold: 0.5 };
    const head = await parseHead(encode(await headFile({ unknown })));
    const input = headInput(Float32Array.of(0, 6, 8));
    expect(nearestCosine(head, input)).toBeCloseTo(0.6, 6);
    expect(nearestCosine(await parseHead(encode(await headFile())), input)).toBeUndefined();
  });

  test.each<[string, unknown, RegExp]>([
    ["a later format", { format: 2 }, /it has format 2; this version reads format 1/],
    ["weights of another size", { weights: matrix([1, 2, 3]) }, /weights has 12 bytes; expected 24/],
    ["weights that are not base64", { weights: "***" }, /not valid: weights: /],
    ["weights that are not finite", { weights: matrix([1, 2, 3, 4, Infinity, 6]) }, /weights .* not finite/],
    ["a missing bias", { bias: [1] }, /bias has 1 numbers; expected 2/],
    ["no label", { labels: [] }, /not valid: labels: /],
    ["a temperature of zero", { temperature: 0 }, /not valid: temperature: expected 0.001 to 1000/],
    ["a temperature near zero", { temperature: 1e-320 }, /not valid: temperature: expected 0.001 to 1000/],
    ["a temperature without bound", { temperature: 1e9 }, /not valid: temperature: expected 0.001 to 1000/],
    ["a bias that overflows", { bias: [1e308, -1e308] }, /not valid: bias.0: expected -1000000 to 1000000/],
    ["a weight that overflows", { weights: matrix([1, 2, 3, 4, 1e30, 6]) }, /weights .* -1000000 to 1000000/],
    [
      "a class mean whose length is not 1",
      { unknown: { centroids: matrix([1, 0, 0, 1e20, 0, 0]), threshold: 0.5 } },
      /unknown.centroids: row 1 has length 100000000000000000000; expected 1/,
    ],
  ])("is refused with %s", async (_, changes, expected) => {
    const file = await headFile(changes as Partial<HeadFile>);
    await expect(parseHead(encode(file))).rejects.toThrow(expected);
  });

  test("is refused if its content does not match its version", async () => {
    const file = { ...(await headFile()), bias: [0.5, -0.5] };
    await expect(parseHead(encode(file))).rejects.toThrow(/says it is version .* and hashes to/);
  });

  test("with any changed byte is refused with a FileError", async () => {
    const bytes = encode(await headFile());
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
        const changed = bytes.slice();
        changed[at] = value;
        const outcome = await parseHead(changed).then(
          () => "a head",
          (error: Error) => error.constructor.name,
        );
        expect(outcome).toBe(value === bytes[at] ? "a head" : "FileError");
      }),
      { numRuns: 500 },
    );
  });
});
