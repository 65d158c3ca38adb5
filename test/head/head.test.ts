import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToBase64 } from "../../src/bytes/byte-arrays.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { type HeadFile, headLogits, headVersion, nearestCosine, parseHead } from "../../src/head/head.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const matrix = (values: number[]) => bytesToBase64(new Uint8Array(Float32Array.from(values).buffer));

/** Class means for a backbone of four classes. */
const unknown = { backbone_classes: 4, centroids: matrix([1, 0, 0, 0, 0, 1, 0, 0]), threshold: 0.5 };

/** Two classes on three features. */
async function headFile(changes: Partial<HeadFile> = {}): Promise<HeadFile> {
  const content: HeadFile = {
    format: 2 as const,
    name: "pets",
    version: "0".repeat(16),
    backbone: { name: defaultModelName, version: "d3cce382c30bf347" },
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
    confident: null,
    training: {},
    ...changes,
  };
  return { ...content, version: await headVersion(content) };
}

describe("a head", () => {
  test("scores features with its linear layer and its temperature", async () => {
    const head = await parseHead(encode(await headFile()));
    expect(Array.from(headLogits(head, Float32Array.of(1, 2, -1)))).toEqual([1.25, -0.875]);
  });

  test("scales the features to length 1 first with normalize l2", async () => {
    const head = await parseHead(encode(await headFile({ normalize: "l2", temperature: 1 })));
    expect(Array.from(headLogits(head, Float32Array.of(0, 3, 4)))).toEqual([
      expect.closeTo(2 * 0.6 + 3 * 0.8 + 0.5, 5),
      expect.closeTo(0.5 * 0.8 - 0.25, 5),
    ]);
  });

  test("measures the cosine of the logits above their mean to the nearest class", async () => {
    const head = await parseHead(encode(await headFile({ unknown })));
    // The mean is 2: 8 and 6 remain of 10 and 8.
    for (const [scale, offset] of [
      [1, 0],
      [10, -500],
    ] as const) {
      const logits = Float32Array.of(8, 10, -3, -7).map((logit) => scale * logit + offset);
      expect(nearestCosine(head, { features: new Float32Array(3), logits })).toBeCloseTo(0.8, 6);
    }
    const features = Float32Array.of(1, 2, 3);
    expect(nearestCosine(head, { features, logits: Float32Array.of(5, 5, 5, 5) })).toBe(0);
    const without = await parseHead(encode(await headFile()));
    expect(nearestCosine(without, { features, logits: Float32Array.of(1, 2, 3, 4) })).toBeUndefined();
  });

  test("of format 1 loads, compares features, and says nothing of confidence", async () => {
    const { confident: _, ...old } = await headFile();
    const content = { ...old, format: 1, unknown: { centroids: matrix([1, 0, 0, 0, 1, 0]), threshold: 0.5 } };
    const head = await parseHead(encode({ ...content, version: await headVersion(content) }));
    const logits = Float32Array.of(1, 0, 0, 0);
    expect(nearestCosine(head, { features: Float32Array.of(0, 6, 8), logits })).toBeCloseTo(0.6, 6);
    expect(head.file.confident).toBeUndefined();
  });

  test.each<[string, unknown, RegExp]>([
    ["a later format", { format: 3 }, /it has format 3; this version reads formats 1 and 2/],
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
      { unknown: { ...unknown, centroids: matrix([1, 0, 0, 0, 1e20, 0, 0, 0]) } },
      /unknown.centroids: row 1 has length 100000000000000000000; expected 1/,
    ],
    [
      "class means of another size than it says",
      { unknown: { ...unknown, backbone_classes: 5 } },
      /unknown.centroids has 32 bytes; expected 40/,
    ],
    [
      "class means of features in format 2",
      { unknown: { centroids: matrix([1, 0, 0, 0, 1, 0]), threshold: 0.5 } },
      /expected unknown.backbone_classes in format 2, and none in format 1/,
    ],
    [
      "class means of logits in format 1",
      { format: 1, confident: undefined, unknown },
      /expected unknown.backbone_classes in format 2, and none in format 1/,
    ],
    ["no word on confidence in format 2", { confident: undefined }, /expected confident in format 2/],
    [
      "a confidence over 1",
      { confident: { threshold: 2, target: 0.8, precision: 0.8, coverage: 0.5, foreign: null } },
      /not valid: confident.threshold: /,
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
