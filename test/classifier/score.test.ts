/** The life of an image from its source to its scores: what is computed, released, freed and remembered. */
import sharp from "sharp";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { randomHead } from "../../cli/head/random-head.ts";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { classificationOf } from "../../src/classifier/answers.ts";
import { Classifier, type RequestContext, Stages } from "../../src/classifier/classifier.ts";
import {
  classificationETag,
  type ImageSource,
  type Scored,
  type ScoreRequest,
  Scorer,
} from "../../src/classifier/score.ts";
import { ClassifierError } from "../../src/errors.ts";
import { parseHead } from "../../src/head/head.ts";
import { HeadStore } from "../../src/head/head-store.ts";
import { firstReadBytes } from "../../src/limits.ts";
import type { Pack } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import { seedHeads } from "../support/head.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack, tinyManifest } from "../support/tiny-pack.ts";

const newContext = (signal?: AbortSignal): RequestContext => ({ signal, stages: new Stages(), facts: {} });

/** An image on its own buffer, as readers of bodies make them. */
async function jpeg(grey: number): Promise<Uint8Array> {
  const background = { r: grey, g: grey, b: grey };
  const picture = sharp({ create: { width: 16, height: 8, channels: 3, background } });
  return Uint8Array.from(await picture.jpeg().toBuffer());
}

function sourceOf(images: readonly Uint8Array[], more: Partial<ImageSource> = {}) {
  const maxBytes = images.reduce((sum, { length }) => sum + length, 0);
  const read = vi.fn<ImageSource["read"]>(more.read ?? (async () => ({ images })));
  return { maxBytes, ...more, read, cancel: vi.fn() };
}

/** Reads, and closings without a read, of a source. */
const usesOf = ({ read, cancel }: ReturnType<typeof sourceOf>) => [
  read.mock.calls.length,
  cancel.mock.calls.length,
];

const isFreed = ({ buffer }: Uint8Array) => buffer instanceof ArrayBuffer && buffer.detached;

const anyRequest: ScoreRequest = { options: {} };
let app: TinyApp;
let scorer: Scorer;

beforeEach(async () => {
  const bucket = new MemoryBucket();
  await seedTinyPack(bucket);
  app = new TinyApp(bucket);
  scorer = app.services.scorer as Scorer;
});

const held = () => [app.services.admission.permits, app.services.admission.heldBytes];

async function allOf(source: ImageSource, request = anyRequest, context = newContext()) {
  const outcomes = [];
  for await (const outcome of scorer.scoreAll(source, request, context)) {
    expect(held()[0]).toBe(1);
    outcomes.push(outcome);
  }
  return outcomes;
}

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => (error as ClassifierError).reason,
  );

describe("one image", () => {
  test("is scored, noted for the log, remembered by its hash, and freed; nothing stays held", async () => {
    const bytes = await jpeg(10);
    const { length } = bytes;
    const imageSha256 = await sha256Hex(bytes);
    const remember = vi.fn();
    const context = newContext();
    const scored = await scorer.scoreOne(sourceOf([bytes], { remember }), anyRequest, context);
    expect(scored).toMatchObject({
      imageSha256,
      cache: "MISS",
      options: { k: 2, functionToApply: "softmax" },
    });
    expect(remember).toHaveBeenCalledExactlyOnceWith(imageSha256);
    expect(context.facts).toMatchObject({
      cache: "MISS",
      bytes: length,
      model: expect.stringMatching(/^tiny\//),
    });
    expect(isFreed(bytes)).toBe(true);
    expect(held()).toEqual([0, 0]);
  });

  test("that belongs to the caller is left as it was", async () => {
    const bytes = await jpeg(20);
    const before = bytes.slice();
    await scorer.scoreOne(sourceOf([bytes], { isBorrowed: true }), anyRequest, newContext());
    expect(bytes).toEqual(before);
    expect(held()).toEqual([0, 0]);
  });

  test.each([
    ["without bytes", new Uint8Array(0), "empty_body"],
    ["that is none", new Uint8Array(Buffer.from("text")), "unsupported_image"],
  ])("%s is an error, and nothing stays held", async (_, bytes, code) => {
    expect(await reasonOf(scorer.scoreOne(sourceOf([bytes]), anyRequest, newContext()))).toMatchObject({
      code,
    });
    expect(held()).toEqual([0, 0]);
  });

  test("whose source fails is an error, and nothing stays held", async () => {
    const error = new ClassifierError({
      code: "body_interrupted",
      measured: 3,
      detail: "the connection was lost",
    });
    const source = sourceOf([], { maxBytes: 100, read: () => Promise.reject(error) });
    await expect(scorer.scoreOne(source, anyRequest, newContext())).rejects.toBe(error);
    expect(held()).toEqual([0, 0]);
  });

  test("whose caller has gone before there is room is not read, and its source is closed", async () => {
    const source = sourceOf([await jpeg(30)]);
    const context = newContext(AbortSignal.abort());
    expect(await reasonOf(scorer.scoreOne(source, anyRequest, context))).toMatchObject({
      code: "body_interrupted",
    });
    expect(source.read).not.toHaveBeenCalled();
    expect(source.cancel).toHaveBeenCalledOnce();
    expect(held()).toEqual([0, 0]);
  });

  test("in another source is read with a permit of its own, which the first one's makes room for", async () => {
    const bytes = await jpeg(40);
    const inner = sourceOf([bytes], {
      read: async () => {
        expect(held()).toEqual([1, firstReadBytes]);
        return { images: [bytes] };
      },
    });
    const outer = sourceOf([], { maxBytes: 1e6, read: async () => ({ source: inner }) });
    expect(await scorer.scoreOne(outer, anyRequest, newContext())).toMatchObject({ cache: "MISS" });
    expect(held()).toEqual([0, 0]);
  });

  test("options that come with it replace those of the request", async () => {
    const bytes = await jpeg(50);
    const source = sourceOf([bytes], { read: async () => ({ images: [bytes], options: { top_k: 1 } }) });
    const scored = await scorer.scoreOne(source, { options: { top_k: 2 } }, newContext());
    expect(scored).toMatchObject({ options: { k: 1 } });
  });
});

describe("an image whose hash is known", () => {
  test("is not read if the cache has its scores, and is if not", async () => {
    const bytes = await jpeg(60);
    const sha256 = await sha256Hex(bytes);
    const first = sourceOf([bytes], { sha256 });
    expect(await scorer.scoreOne(first, anyRequest, newContext())).toMatchObject({ cache: "MISS" });
    expect(usesOf(first)).toEqual([1, 0]);
    await app.settled();
    const context = newContext();
    const second = sourceOf([], { sha256 });
    expect(await scorer.scoreOne(second, anyRequest, context)).toMatchObject({
      cache: "HIT",
      imageSha256: sha256,
    });
    expect(usesOf(second)).toEqual([0, 1]);
    expect(context.facts.cache).toBe("HIT");
    expect(held()).toEqual([0, 0]);
  });

  test("is not scored if the caller has the answer, whether the source knows the hash or not", async () => {
    app.runtime.beforeRun = async () => expect.unreachable("the image is scored");
    const bytes = await jpeg(70);
    const sha256 = await sha256Hex(bytes);
    const etag = classificationETag(sha256, await scorer.resolve({}));
    const request = { ...anyRequest, ifNoneMatch: etag };
    const known = sourceOf([], { sha256 });
    expect(await scorer.scoreOne(known, request, newContext())).toEqual({ notModified: true, etag });
    expect(usesOf(known)).toEqual([0, 1]);
    expect(await scorer.scoreOne(sourceOf([bytes]), request, newContext())).toEqual({
      notModified: true,
      etag,
    });
    expect(held()).toEqual([0, 0]);
  });
});

describe("several images", () => {
  const none = () => new Uint8Array(Buffer.from("text"));

  test("a bad one is an outcome in its place; the others are scored, and nothing stays held", async () => {
    const images = [await jpeg(80), none(), await jpeg(90)];
    const outcomes = await allOf(sourceOf(images));
    expect(outcomes).toMatchObject([
      { cache: "MISS" },
      { error: { reason: { code: "unsupported_image" } } },
      { cache: "MISS" },
    ]);
    expect(images.map(isFreed)).toEqual([true, true, true]);
    expect(held()).toEqual([0, 0]);
  });

  test("what one held is given back before the next begins", async () => {
    const images = [await jpeg(100), await jpeg(110)];
    const [first, second] = images.map(({ length }) => length);
    const heldBytes: number[] = [];
    for await (const _ of scorer.scoreAll(sourceOf(images), anyRequest, newContext()))
      heldBytes.push(held()[1]!);
    expect(heldBytes[0]! - heldBytes[1]!).toBe(first);
    expect(second).toBeGreaterThan(0);
    expect(held()).toEqual([0, 0]);
  });

  test("options that the model does not take are one error, before any image is scored", async () => {
    app.runtime.beforeRun = async () => expect.unreachable("an image is scored");
    const images = [await jpeg(120), await jpeg(130)];
    expect(await reasonOf(allOf(sourceOf(images), { options: { top_k: 3 } }))).toMatchObject({
      ...{ code: "invalid_parameter", measured: 3, limit: 2 },
    });
    expect(images.map(isFreed)).toEqual([true, true]);
    expect(held()).toEqual([0, 0]);
  });

  test("a reader that stops early leaves nothing held, and the rest unscored", async () => {
    let runs = 0;
    app.runtime.beforeRun = async () => void runs++;
    const images = [await jpeg(140), await jpeg(150), await jpeg(160)];
    for await (const outcome of scorer.scoreAll(sourceOf(images), anyRequest, newContext())) {
      expect(outcome).toMatchObject({ cache: "MISS" });
      break;
    }
    expect(runs).toBe(3); // one for each shard
    expect(images.map(isFreed)).toEqual([true, true, true]);
    expect(held()).toEqual([0, 0]);
  });
});

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
    // The pack that is live when the request arrives is not the one that runs.
    const classifier = Object.assign(Object.create(Classifier.prototype) as Classifier, {
      score: async () => ({ pack: live, result, cache: "MISS" }),
    });
    Object.defineProperty(classifier, "host", { value: { pack: async () => old, cold: false } });
    const { admission } = app.services;
    const context = newContext();
    const request = { options: { head: "pets", function_to_apply: "none" } } as const;
    const scoring = new Scorer({ admission, classifier, heads: store }).scoreOne(
      sourceOf([new Uint8Array(1)]),
      request,
      context,
    );
    return { scoring, context, live };
  };

  test("is answered by the head of the model that ran", async () => {
    const { scoring, context, live } = await score([0, 1]);
    const scored = (await scoring) as Scored;
    const answer = classificationOf(scored);
    expect(answer.model.version).toBe(live.manifest.version);
    expect(answer.predictions[0]?.label).toMatch(/^pets 1 /);
    expect(context.facts.head).toBe(`pets/${answer.head?.version}`);
    expect(held()).toEqual([0, 0]);
  });

  test("is not answered by the head of the model before", async () => {
    const { scoring } = await score([0]);
    await expect(scoring).rejects.toThrow(/The head pets is for tiny\/.*; the live model is tiny\//);
    expect(await reasonOf(scoring)).toMatchObject({ code: "head_mismatch" });
    expect(held()).toEqual([0, 0]);
  });
});

test("a head that goes live while an image is scored is the one that the ETag names", async () => {
  const { admission, classifier } = app.services;
  const { manifest } = await classifier.host.pack();
  const options = { name: "pets", featureSize: manifest.feature_size, backbone: manifest };
  const versions = await Promise.all(
    [1, 2].map(async (seed) => parseHead((await randomHead({ ...options, seed })).bytes)),
  );
  const head = vi.fn<HeadStore["head"]>().mockResolvedValueOnce(versions[0]!).mockResolvedValue(versions[1]!);
  const heads = { head } as unknown as HeadStore;
  const request = { options: { head: "pets" } };
  const scored = await new Scorer({ admission, classifier, heads }).scoreOne(
    sourceOf([await jpeg(170)]),
    request,
    newContext(),
  );
  const { imageSha256, options: resolved, head: answering } = scored as Scored;
  expect(answering).toBe(versions[1]);
  expect(classificationETag(imageSha256, resolved)).toContain(versions[1]!.file.version);
});
