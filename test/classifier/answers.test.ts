/** Scores of heads: each is a finite number, or the request gets 503. */
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { type RandomHead, randomHead } from "../../cli/head/random-head.ts";
import { bytesToBase64 } from "../../src/bytes/base64.ts";
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
    ...{ classes: 2, featureSize: 3, threshold: 0.5 },
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
      fc.constantFrom("none" as const, "l2" as const),
      fc.constantFrom(...functionsToApply),
      async (matrix, bias, temperature, features, normalize, functionToApply) => {
        const { bytes } = await changedHead({ weights: weights(matrix), bias, temperature, normalize });
        const pack = { manifest, labels: [] };
        const result = {
          width: 1,
          height: 1,
          logits: new Float32Array(2),
          features: Float32Array.from(features),
        };
        const head = await parseHead(bytes);
        const options = { pack, head: head.file, unknown: true, k: 2, functionToApply };
        const scored = { imageSha256: "ab", result, cache: "MISS", etag: "", options, head } as const;
        try {
          const { predictions, unknown } = classificationOf(scored);
          expect(predictions.map(({ score }) => Number.isFinite(score))).toEqual([true, true]);
          expect(Math.abs(unknown!.cosine)).toBeLessThan(1.001);
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
      examples: [[Array(6).fill(maxHeadValue), [0, 0], min, [3e38, 3e38, 3e38], "none", "none"]],
    },
  );
  expect(refused).toBeGreaterThan(0);
});
