/** Any content of the bucket gives 503 with a reason or the right answer, never a wrong answer and never a 500. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import sharp from "sharp";
import { beforeEach, describe, expect, test } from "vitest";
import { manifestVersion } from "../../src/model/manifest.ts";
import { breaches } from "../support/fuzz/contract.ts";
import { mutations } from "../support/fuzz/json-mutations.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack, tinyManifest, tinyName } from "../support/tiny-pack.ts";

const image = new Uint8Array(
  await sharp({ create: { width: 16, height: 8, channels: 3, background: "white" } })
    .jpeg()
    .toBuffer(),
);
const manifest = await tinyManifest();
const folder = `${tinyName}/${manifest.version}`;
const files = ["manifest.json", "labels.json", "shard-00.onnx", "shard-01.onnx", "shard-02.onnx"];
const keys = [`${tinyName}/current.json`, ...files.map((file) => `${folder}/${file}`)];
const labels = ["no", "yes"].map((id) => ({ id, label: id }));
let bucket: MemoryBucket;

beforeEach(async () => {
  bucket = new MemoryBucket();
  await seedTinyPack(bucket);
});

/** The answer of a fresh isolate. */
async function classify() {
  const app = new TinyApp(bucket);
  const body = image.slice();
  const response = await app.fetch(new Request("http://localhost/v1/classify", { method: "POST", body }));
  const answer = { status: response.status, headers: response.headers, text: await response.text() };
  expect(breaches(answer, [503])).toEqual([]);
  if (answer.status !== 200) {
    expect(JSON.parse(answer.text)).toMatchObject({ status: 503, code: "model_unavailable" });
    expect(answer.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
  }
  expect(app.log.filter(({ code }) => code === "internal")).toEqual([]);
  return { app, ...answer };
}

describe("a bucket", () => {
  test("with any changed, truncated or swapped object gives 503 or the right answer, and recovers", async () => {
    const good = await classify();
    expect(good.status).toBe(200);
    const edit = fc.tuple(
      fc.constantFrom(...keys),
      fc.oneof(
        fc.tuple(fc.constant("flip" as const), fc.nat()),
        fc.tuple(fc.constantFrom("cut" as const, "grow" as const, "remove" as const), fc.nat(400)),
        fc.tuple(fc.constant("swap" as const), fc.nat(keys.length - 1)),
      ),
    );
    const whole = new Map(bucket.objects);
    await fc.assert(
      fc.asyncProperty(edit, async ([key, [kind, n]]) => {
        const bytes = whole.get(key)!.slice();
        if (kind === "flip") bytes[(n >> 3) % bytes.length]! ^= 1 << (n & 7);
        const changed = () => {
          switch (kind) {
            case "flip":
              return bytes;
            case "cut":
              return bytes.subarray(0, n % bytes.length);
            case "grow":
              return Uint8Array.from([...bytes, ...new Uint8Array(n + 1)]);
            case "swap":
              return whole.get(keys[n]!)!;
            case "remove":
              return undefined;
          }
        };
        const now = changed();
        bucket.objects.delete(key);
        if (now) bucket.objects.set(key, now);
        const { app, status, text } = await classify();
        if (status === 200) expect(text).toBe(good.text);
        bucket.objects.set(key, whole.get(key)!);
        const after = await app.fetch(
          new Request("http://localhost/v1/classify", { method: "POST", body: image.slice() }),
        );
        expect(await after.text()).toBe(good.text);
      }),
      { numRuns: 700, endOnFailure: true },
    );
  });

  test("with another document as current.json", async () => {
    const current = JSON.parse(new TextDecoder().decode(bucket.objects.get(keys[0]!)));
    await fc.assert(
      fc.asyncProperty(mutations(current), async (changed) => {
        bucket.json(keys[0]!, changed);
        const { status, text } = await classify();
        if (status === 200)
          expect(JSON.parse(text).model).toEqual({ name: tinyName, version: manifest.version });
      }),
      { numRuns: 500, endOnFailure: true },
    );
  });

  // The hashes match, as after a push with a faulty tool.
  test("with another manifest of the right hash", async () => {
    const { version: _, ...content } = manifest;
    await fc.assert(
      fc.asyncProperty(mutations(content), async (changed) => {
        await push(changed);
        const { status, text } = await classify();
        if (status === 200) expectAnswer(text);
      }),
      { numRuns: 1000, endOnFailure: true },
    );
  });

  test("with other labels of the right hash", async () => {
    await fc.assert(
      fc.asyncProperty(mutations(labels), async (changed) => {
        const bytes = new TextEncoder().encode(JSON.stringify(changed) ?? "");
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        const { version: _, ...content } = manifest;
        await push({ ...content, labels: { file: "labels.json", bytes: Math.max(1, bytes.length), sha256 } });
        const version = JSON.parse(new TextDecoder().decode(bucket.objects.get(keys[0]!))).version;
        bucket.objects.set(`${tinyName}/${version}/labels.json`, bytes);
        const { status, text } = await classify();
        if (status === 200) expectAnswer(text);
      }),
      { numRuns: 500, endOnFailure: true },
    );
  });
});

const deep = (n: number, open: string, close: string) => `${open.repeat(n)}0${close.repeat(n)}`;
test.each([
  ["current.json", deep(100_000, "[", "]")],
  ["current.json", deep(100_000, '{"history":', "}")],
  ["manifest.json", deep(100_000, "[", "]")],
  ["manifest.json", deep(100_000, '{"shards":', "}")],
  [
    "manifest.json",
    JSON.stringify(manifest).replace(
      '"quantisation":null',
      `"quantisation":{"a":${deep(100_000, "[", "]")}}`,
    ),
  ],
])("a deeply nested %s gives 503", async (file, text) => {
  const key = keys.find((each) => each.endsWith(file))!;
  bucket.objects.set(key, new TextEncoder().encode(text));
  expect((await classify()).status).toBe(503);
});

async function push(content: unknown): Promise<void> {
  const hashed = content !== null && typeof content === "object" && !Array.isArray(content);
  // A document that is nested too deep cannot be hashed, so it gets any version.
  const version = hashed ? await manifestVersion(content).catch(() => "0".repeat(16)) : "0".repeat(16);
  for (const file of files)
    bucket.objects.set(`${tinyName}/${version}/${file}`, bucket.objects.get(`${folder}/${file}`)!);
  bucket.json(`${tinyName}/${version}/manifest.json`, hashed ? { ...content, version } : content);
  bucket.json(keys[0]!, { format: 1, name: tinyName, version, history: [] });
}

function expectAnswer(text: string): void {
  const { predictions } = JSON.parse(text) as {
    predictions: { label: unknown; score: unknown; index: number }[];
  };
  expect(predictions.length).toBeGreaterThan(0);
  for (const { label, score, index } of predictions) {
    expect(typeof label).toBe("string");
    expect(Number.isFinite(score)).toBe(true);
    expect(Number.isInteger(index)).toBe(true);
  }
}
