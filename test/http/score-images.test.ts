/** One image scored while another model goes live. */
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { Classifier } from "../../src/classifier/classifier.ts";
import { HeadStore } from "../../src/head/head-store.ts";
import type { AppEnv } from "../../src/http/context.ts";
import { parseTopK } from "../../src/http/query.ts";
import { beginScoring, scoreImage } from "../../src/http/score-images.ts";
import type { Pack } from "../../src/model/pack.ts";
import { Stages } from "../../src/stages.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { randomHead } from "../../tools/head/random-head.ts";
import { seedHeads } from "../support/head.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { tinyManifest } from "../support/tiny-pack.ts";

const anyPack = async (run: number): Promise<Pack> => ({
  manifest: await tinyManifest({ quantisation: { run } }),
  labels: [],
});

describe("an image whose model changes while it is scored", () => {
  const score = async (heads: readonly number[]) => {
    const [old, live] = [await anyPack(0), await anyPack(1)];
    const bucket = new MemoryBucket();
    const made = heads.map((i) =>
      randomHead({ name: "pets", seed: i, featureSize: 3, backbone: [old, live][i]!.manifest }),
    );
    await seedHeads(bucket, ...(await Promise.all(made)));
    const store = new HeadStore({
      waitUntil: () => {},
      ...{ source: new BucketSource(bucket), bucket, refreshMs: 60_000 },
      log: () => {},
    });
    const result = { width: 1, height: 1, logits: new Float32Array(2), features: Float32Array.of(1, 2, 3) };
    // The pack that was live when the request came is not the one that runs.
    const classifier = Object.assign(Object.create(Classifier.prototype) as Classifier, {
      score: async () => ({ pack: live, imageSha256: "ab", result, cache: "MISS" }),
    });
    Object.defineProperty(classifier, "host", { value: { pack: async () => old } });
    const app = new Hono<AppEnv>();
    app.onError((error) => new Response(error.message, { status: 503 }));
    app.get("/", async (c) => {
      c.set("stages", new Stages());
      c.set("facts", {});
      const head = { name: "pets", unknown: false };
      const wanted = { topKOf: parseTopK(undefined), functionToApply: "none", head } as const;
      const scoring = beginScoring({ classifier, heads: store }, wanted);
      return c.json({ answer: await scoreImage(c, scoring, new Uint8Array(1)), head: c.var.facts.head });
    });
    const context = { waitUntil: () => {}, passThroughOnException: () => {}, props: {} };
    const response = await app.request("/", {}, {}, context);
    return { status: response.status, text: await response.text(), live };
  };

  test("is answered by the head of the model that ran", async () => {
    const { status, text, live } = await score([0, 1]);
    const { answer, head } = JSON.parse(text) as {
      answer: { model: { version: string }; head: { version: string }; predictions: { label: string }[] };
      head: string;
    };
    expect([status, answer.model.version]).toEqual([200, live.manifest.version]);
    expect(answer.predictions[0]?.label).toMatch(/^pets 1 /);
    expect(head).toBe(`pets/${answer.head.version}`);
  });

  test("is not answered by the head of the model before", async () => {
    const { status, text } = await score([0]);
    expect([status, text]).toEqual([
      503,
      expect.stringMatching(/The head pets is for tiny\/.*; live is tiny\//),
    ]);
  });
});
