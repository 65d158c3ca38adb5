/** Options of a classification, as callers give them and as they hold for one pack. */
import { describe, expect, test } from "vitest";
import { classifyQuerySchema, parseParameters, resolveOptions } from "../../src/classifier/options.ts";
import { classificationETag, etagMatches } from "../../src/classifier/score.ts";
import type { ClassifierError } from "../../src/errors.ts";
import { HeadStore } from "../../src/head/head-store.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { tinyManifest } from "../support/tiny-pack.ts";

const bucket = new MemoryBucket();
const heads = new HeadStore({
  ...{ source: new BucketSource(bucket), bucket, refreshMs: 60_000 },
  waitUntil: () => {},
  log: () => {},
});
const packOf = async (classes: number) => ({ manifest: await tinyManifest({ classes }), labels: [] });

async function resolved(values: Record<string, string | undefined>, classes: number) {
  return resolveOptions(parseParameters(classifyQuerySchema, values), await packOf(classes), heads);
}

function reasonOf(work: () => unknown) {
  try {
    work();
  } catch (error) {
    return (error as ClassifierError).reason;
  }
  return expect.unreachable("it should have failed");
}

describe("top_k", () => {
  test("defaults to five, or to the class count where that is less", async () => {
    expect((await resolved({}, 10)).k).toBe(5);
    expect((await resolved({}, 2)).k).toBe(2);
  });

  test("takes 1 to the class count and refuses one more with both numbers", async () => {
    expect((await resolved({ top_k: "1" }, 10)).k).toBe(1);
    expect((await resolved({ top_k: "10" }, 10)).k).toBe(10);
    await expect(resolved({ top_k: "11" }, 10)).rejects.toMatchObject({
      reason: { code: "invalid_parameter", parameter: "top_k", value: "11", measured: 11, limit: 10 },
    });
  });

  test.each(["", "0", "-1", "1.5", "1e3", "five", " 5", "99999999999999999999", "0x5", "NaN"])(
    "refuses %j",
    (value) => {
      expect(reasonOf(() => parseParameters(classifyQuerySchema, { top_k: value }))).toMatchObject({
        ...{ code: "invalid_parameter", parameter: "top_k", value },
        expected: "an integer of at least 1",
      });
    },
  );

  test("of 0 is refused with the number and the limit", () => {
    expect(reasonOf(() => parseParameters(classifyQuerySchema, { top_k: "0" }))).toMatchObject({
      measured: 0,
      limit: 1,
    });
  });
});

test("function_to_apply defaults to softmax; another word is refused with those that are known", async () => {
  expect((await resolved({}, 2)).functionToApply).toBe("softmax");
  expect((await resolved({ function_to_apply: "none" }, 2)).functionToApply).toBe("none");
  expect(reasonOf(() => parseParameters(classifyQuerySchema, { function_to_apply: "relu" }))).toMatchObject({
    ...{ code: "invalid_parameter", parameter: "function_to_apply" },
    expected: expect.stringContaining("softmax"),
  });
});

test("unknown without a head needs a model that detects unknown images", async () => {
  await expect(resolveOptions({ unknown: "true" }, await packOf(10), heads)).rejects.toMatchObject({
    reason: { code: "invalid_parameter", parameter: "unknown", value: "true" },
  });
  const unknown = { method: "entropy", threshold: 1, rejected: 0.1, foreign: null, auroc: null } as const;
  const scores = { temperature: 1, confident: null, unknown, evaluation: null };
  const manifest = await tinyManifest({ format: 2, classes: 10, scores });
  const pack = { manifest, labels: [] };
  expect(await resolveOptions({ unknown: "true" }, pack, heads)).toMatchObject({ unknown: true });
});

describe("the ETag of a classification", () => {
  test("names image, version of the model, number of predictions and function, and the head", async () => {
    const pack = await packOf(10);
    const { version } = pack.manifest;
    const options = { pack, head: undefined, unknown: false, k: 5, functionToApply: "softmax" } as const;
    expect(classificationETag("ab", options)).toBe(`"ab-${version}-5-softmax"`);
    const head = { name: "pets", version: "v2" };
    expect(classificationETag("ab", { ...options, head })).toBe(`"ab-${version}-5-softmax-v2"`);
    expect(classificationETag("ab", { ...options, head, unknown: true })).toBe(
      `"ab-${version}-5-softmax-v2-unknown"`,
    );
  });

  test("If-None-Match names it, weak or strong, among others, or any", () => {
    const etag = '"ab-v1-5-softmax"';
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, "*"])
      expect(etagMatches(header, etag)).toBe(true);
    for (const header of ["", '"ab-v1-50-softmax"', "ab-v1-5-softmax"])
      expect(etagMatches(header, etag)).toBe(false);
  });
});
