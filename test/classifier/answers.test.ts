/** Scores of heads: each is a finite number, or the request gets 503. */
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { type RandomHead, randomHead } from "../../cli/head/random-head.ts";
import { bytesToBase64 } from "../../src/bytes/byte-arrays.ts";
import { classificationOf } from "../../src/classifier/answers.ts";
import { ClassifierError } from "../../src/errors.ts";
import {
  type HeadFile,
  headTemperatureRange,
  headVersion,
  maxHeadValue,
  parseHead,
} from "../../src/head/head.ts";
import { functionsToApply } from "../../src/model/scores.ts";
import { seedHeads } from "../support/head.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack, tinyManifest } from "../support/tiny-pack.ts";

const manifest = await tinyManifest();

/** A head of two classes on three features, its own hash right, whatever `changes` hold. */
async function changedHead(changes: Partial<HeadFile>): Promise<RandomHead> {
  const { file } = await randomHead({
    ...{ name: "pets", seed: 1, backbone: manifest },
    ...{ classes: 2, featureSize: 3, unknown: { backboneClasses: 2, threshold: 0.5 } },
  });
  const changed = { ...file, ...changes };
  const whole = { ...changed, version: await headVersion(changed) };
  return { file: whole, bytes: new TextEncoder().encode(JSON.stringify(whole)) };
}

const weights = (values: readonly number[]) =>
  bytesToBase64(new Uint8Array(Float32Array.from(values).buffer));

describe("a head in the bucket", () => {
  test.each<[string, Partial<HeadFile>]>([
    ["a temperature near zero", { temperature: 1e-320 }],
    ["biases that overflow", { bias: [1e308, -1e308] }],
    ["weights that overflow", { weights: weights([3e38, 3e38, 3e38, -3e38, -3e38, -3e38]) }],
  ])("with %s gets 503 head_unavailable with the reason, never a null score", async (_, changes) => {
    const bucket = new MemoryBucket();
    await seedTinyPack(bucket);
    await seedHeads(bucket, await changedHead(changes));
    const app = new TinyApp(bucket);
    const picture = sharp({ create: { width: 16, height: 8, channels: 3, background: "white" } });
    const body = new Uint8Array(await picture.jpeg().toBuffer());
    const request = new Request("http://localhost/v1/classify?head=pets", { method: "POST", body });
    const response = await app.fetch(request);
    expect(response.status).toBe(503);
    expect(response.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
    const [field] = Object.keys(changes);
    expect(await response.json()).toMatchObject({
      code: "head_unavailable",
      detail: expect.stringMatching(new RegExp(`heads/pets/.*${field}.*expected`)),
    });
  });
});

test("whatever a head and the features hold, a score is a finite number, or the answer is head_unavailable", async () => {
  const { min, max } = headTemperatureRange;
  const value = fc.double({ min: -maxHeadValue, max: maxHeadValue, noNaN: true });
  const feature = fc.float({ noNaN: true, noDefaultInfinity: true });
  const six = { minLength: 6, maxLength: 6 };
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, six),
      fc.array(value, { minLength: 2, maxLength: 2 }),
      fc.double({ min, max, noNaN: true }),
      fc.array(feature, { minLength: 3, maxLength: 3 }),
      fc.array(feature, { minLength: 2, maxLength: 2 }),
      fc.constantFrom("none" as const, "l2" as const),
      fc.constantFrom(...functionsToApply),
      async (matrix, bias, temperature, features, backboneLogits, normalize, functionToApply) => {
        const { bytes } = await changedHead({ weights: weights(matrix), bias, temperature, normalize });
        const pack = { manifest, labels: [] };
        const result = {
          width: 1,
          height: 1,
          logits: Float32Array.from(backboneLogits),
          features: Float32Array.from(features),
        };
        const head = await parseHead(bytes);
        const options = { pack, head: head.file, unknown: true, k: 2, functionToApply };
        const scored = { imageSha256: "ab", result, cache: "MISS", etag: "", options, head } as const;
        try {
          const { predictions, unknown } = classificationOf(scored);
          expect(predictions.map(({ score }) => Number.isFinite(score))).toEqual([true, true]);
          expect(Math.abs(unknown!.cosine!)).toBeLessThan(1.001);
        } catch (error) {
          if (!(error instanceof ClassifierError)) throw error;
          expect(error.reason.code).toBe("head_unavailable");
          expect(normalize).toBe("none");
          refused++;
        }
      },
    ),
    {
      numRuns: 1000,
      examples: [
        [Array(6).fill(maxHeadValue), [0, 0], min, [3e38, 3e38, 3e38], [-3e38, 3e38], "none", "none"],
      ],
    },
  );
  expect(refused).toBeGreaterThan(0);
});

describe("a head with a threshold of confidence", () => {
  const confidentFrom = (threshold: number) => {
    return { threshold, target: 0.8, precision: 0.85, coverage: 0.5, foreign: null };
  };

  test.each([
    [0.7, true],
    [0.8, false],
  ])("of %d tells whether the highest probability reaches it: %s", async (threshold, isConfident) => {
    const confident = confidentFrom(threshold);
    // Logits 1 and 0: the softmax gives 0.731 and 0.269.
    const changes = { bias: [1, 0], temperature: 1, weights: weights(Array(6).fill(0)), confident };
    const head = await parseHead((await changedHead(changes)).bytes);
    for (const functionToApply of functionsToApply) {
      const answer = classificationOf({
        imageSha256: "ab",
        result: { width: 1, height: 1, logits: Float32Array.of(9, 0), features: new Float32Array(3) },
        ...{ cache: "MISS", etag: "", head },
        options: { pack: { manifest, labels: [] }, head: head.file, unknown: false, k: 2, functionToApply },
      });
      expect(answer.confident).toBe(isConfident);
    }
  });

  test("does not inherit the model's", async () => {
    const scores = { temperature: 1, confident: confidentFrom(0), unknown: null, evaluation: null };
    const pack = { manifest: await tinyManifest({ format: 2, scores }), labels: [] };
    const head = await parseHead((await changedHead({})).bytes);
    const answer = classificationOf({
      imageSha256: "ab",
      result: { width: 1, height: 1, logits: Float32Array.of(9, 0), features: new Float32Array(3) },
      ...{ cache: "MISS", etag: "", head },
      options: { pack, head: head.file, unknown: false, k: 2, functionToApply: "softmax" },
    });
    expect(answer).not.toHaveProperty("confident");
  });
});

describe("a model with calibrated scores", () => {
  const logits = Float32Array.of(2, 0, -2);
  const labels = ["a", "b", "c"].map((id) => ({ id, label: id }));
  const confident = { threshold: 0.8, target: 0.8, precision: 0.85, coverage: 0.5, foreign: null };
  const unknown = { method: "entropy", threshold: 0.7, rejected: 0.1, foreign: null, auroc: null } as const;
  const answerOf = async (
    temperature: number,
    functionToApply: "softmax" | "sigmoid" | "none" = "softmax",
  ) => {
    const scores = { temperature, confident, unknown, evaluation: null };
    const pack = { manifest: await tinyManifest({ format: 2, classes: 3, scores }), labels };
    return classificationOf({
      imageSha256: "ab",
      result: { width: 1, height: 1, logits, features: new Float32Array(3) },
      cache: "MISS",
      etag: "",
      options: { pack, head: undefined, unknown: true, k: 3, functionToApply },
      head: undefined,
    });
  };
  const softmaxAt = (temperature: number) => {
    const powers = Array.from(logits, (logit) => Math.exp(logit / temperature));
    return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
  };

  test.each([0.5, 1, 2])("divides logits by the temperature %d before the softmax", async (temperature) => {
    const { predictions } = await answerOf(temperature);
    for (const [i, p] of softmaxAt(temperature).entries()) expect(predictions[i]!.score).toBeCloseTo(p, 12);
  });

  test("returns raw logits and sigmoids without the temperature", async () => {
    const [none, sigmoid] = [await answerOf(2, "none"), await answerOf(2, "sigmoid")];
    expect(none.predictions.map(({ score }) => score)).toEqual([2, 0, -2]);
    expect(sigmoid.predictions[1]!.score).toBe(0.5);
  });

  test.each([
    [1, true, false],
    [2, false, true],
  ])("at temperature %d, confident is %s and unknown is %s", async (temperature, isConfident, isUnknown) => {
    for (const functionToApply of ["softmax", "none"] as const) {
      const answer = await answerOf(temperature, functionToApply);
      const entropy = softmaxAt(temperature).reduce((sum, p) => sum - p * Math.log(p), 0);
      expect([answer.confident, answer.unknown?.is_unknown]).toEqual([isConfident, isUnknown]);
      expect(answer.unknown?.entropy).toBeCloseTo(entropy, 12);
      expect(answer.unknown?.threshold).toBe(0.7);
    }
  });

  test("a pack of format 1 says nothing about confidence", async () => {
    const pack = { manifest: await tinyManifest({ classes: 3 }), labels };
    const answer = classificationOf({
      imageSha256: "ab",
      result: { width: 1, height: 1, logits, features: new Float32Array(3) },
      cache: "MISS",
      etag: "",
      options: { pack, head: undefined, unknown: false, k: 3, functionToApply: "softmax" },
      head: undefined,
    });
    expect(answer).not.toHaveProperty("confident");
    expect(answer).not.toHaveProperty("unknown");
  });
});
