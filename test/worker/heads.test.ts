/** Heads in the built Worker: own classes from the same run, and no failed request while anything changes. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RandomHead, randomHead } from "../../cli/head/random-head.ts";
import { headLogits, nearestCosine, parseHead } from "../../src/head/head.ts";
import { headCurrentKey, headKey, headMetadata } from "../../src/head/live-heads.ts";
import { manifestVersion } from "../../src/model/manifest.ts";
import { applyFunction, softmax } from "../../src/model/scores.ts";
import { entryOf, seedHeads } from "../support/head.ts";
import { Origin } from "../support/origin.ts";
import type { Call, Outcome } from "../support/rpc-consumer/index.ts";
import { type Answer, exampleImage, servedModel, servedPack, TestWorker } from "../support/worker.ts";

interface Prediction {
  readonly label: string;
  readonly score: number;
  readonly index: number;
}

const consumer = "test/support/rpc-consumer/wrangler.toml";
let worker: TestWorker;
let origin: Origin;
let teapot: Uint8Array;
let ladybug: Uint8Array;
let backbone: { name: string; version: string };
let featureSize: number;
let unknown: { backboneClasses: number; threshold: number };
let pets: RandomHead;
let cars: RandomHead;

const make = (name: string, seed: number, more = {}) =>
  randomHead({ name, seed, backbone, featureSize, ...more });
const predictions = ({ json }: Answer) => json.predictions as Prediction[];
const codeOf = ({ status, json }: Answer) => [status, json.code];
/** Repeats a request until the answer is as expected. All answers until then must be 200. */
async function until(wanted: (answer: Answer) => boolean, query = "?head=pets"): Promise<Answer> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await worker.classify(teapot, query);
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    if (wanted(answer)) return answer;
    if (Date.now() > deadline) throw new Error("the head has not gone live within 20 s");
  }
}
const versionOf = ({ json }: Answer) => (json.head as { version: string }).version;

beforeAll(async () => {
  [teapot, ladybug] = await Promise.all([exampleImage("teapot"), exampleImage("ladybug")]);
  const { manifest } = await servedPack();
  featureSize = manifest.feature_size;
  backbone = { name: servedModel, version: manifest.version };
  origin = await Origin.start();
  worker = await TestWorker.start({
    others: [consumer],
    vars: {
      ...{ MODEL_REFRESH_SECONDS: 1, CDN_HEAD: "pets" },
      ...{ ALLOWED_IMAGE_HOSTS: origin.host, IMAGE_ORIGIN: origin.url("/") },
    },
  });
  unknown = { backboneClasses: manifest.classes, threshold: 0.02 };
  pets = await make("pets", 1, { unknown, confidentFrom: 0.5 });
  cars = await make("cars", 2, { classes: 7 });
  await seedHeads(worker.bucket, pets);
  await seedHeads(worker.bucket, cars);
  expect((await worker.classify(teapot)).status).toBe(200);
});

afterAll(async () => {
  await worker?.close();
  await origin?.close();
});

describe("?head=", () => {
  test("gives the scores that the head computes in Node from features and logits, bit for bit", async () => {
    const embed = await worker.get("/v1/embed", { method: "POST", body: teapot as BodyInit });
    const features = Float32Array.from(embed.json.embedding as number[]);
    const own = await worker.classify(teapot, `?function_to_apply=none&top_k=${unknown.backboneClasses}`);
    const logits = new Float32Array(unknown.backboneClasses);
    for (const { index, score } of predictions(own)) logits[index] = score;
    const head = await parseHead(pets.bytes);
    for (const fn of ["softmax", "sigmoid", "none"] as const) {
      const answer = await worker.classify(teapot, `?head=pets&unknown=true&function_to_apply=${fn}`);
      const scores = applyFunction(headLogits(head, features), fn);
      const cosine = nearestCosine(head, { features, logits })!;
      const members = ["model", "head", "image", "predictions", "confident", "unknown"];
      expect(Object.keys(answer.json)).toEqual(members);
      expect(answer.json).toMatchObject({
        model: backbone,
        head: { name: "pets", version: pets.file.version },
        confident: Math.max(...softmax(headLogits(head, features))) >= 0.5,
        unknown: { cosine, threshold: 0.02, is_unknown: cosine < 0.02 },
      });
      const got = predictions(answer);
      expect(got.map(({ score }) => score)).toEqual(Array.from(scores).sort((a, b) => b - a));
      for (const { index, label, score } of got)
        expect([label, score]).toEqual([`pets 1 ${index}`, scores[index]]);
    }
  });

  test("for an image that was classified before is a hit without decoding or a run, and vice versa", async () => {
    const plain = await worker.classify(teapot);
    const answer = await worker.classify(teapot, "?head=cars");
    expect(answer.headers.get("X-Cache")).toBe("HIT");
    expect(answer.headers.get("Server-Timing")).not.toMatch(/\b(image|run);/);
    expect((await worker.classify(ladybug, "?head=cars")).headers.get("X-Cache")).toBe("MISS");
    expect((await worker.classify(ladybug)).headers.get("X-Cache")).toBe("HIT");
    expect(plain.json).not.toHaveProperty("head");
    expect((await worker.classify(teapot)).text).toBe(plain.text);
    expect((await worker.logs("head_loaded")).map(({ head }) => head).sort()).toEqual(["cars", "pets"]);
    const logged = (await worker.logs("request")).map(({ head }) => head);
    expect(logged).toContain(`cars/${cars.file.version}`);
  });

  test("works with two heads at once, for every way to send an image", async () => {
    origin.image("/teapot.jpg", teapot, '"teapot"');
    const url = origin.url("/teapot.jpg");
    const json = { "Content-Type": "application/json" };
    const form = new FormData();
    for (const bytes of [teapot, ladybug]) form.append("image", new Blob([bytes.slice()]), "i.jpg");
    const image = Buffer.from(teapot).toString("base64");
    const get = (head: string) => worker.get(`/v1/classify?url=${encodeURIComponent(url)}&head=${head}`);
    const [raw, other, base64, byUrl, parts, got] = await Promise.all([
      worker.classify(teapot, "?head=pets"),
      worker.classify(teapot, "?head=cars"),
      worker.classify(JSON.stringify({ image }), "?head=pets", json),
      worker.classify(JSON.stringify({ url }), "?head=pets", json),
      worker.get("/v1/classify?head=cars", { method: "POST", body: form }),
      get("pets"),
    ]);
    expect([base64.text, byUrl.text, got.text]).toEqual([raw.text, raw.text, raw.text]);
    expect(predictions(other)[0]?.label).toMatch(/^cars 2 /);
    const results = parts.json.results as { head: { name: string }; predictions: Prediction[] }[];
    expect(results.map(({ head, predictions: of }) => [head.name, of.length])).toEqual([
      ["cars", 5],
      ["cars", 5],
    ]);
    const tags = [
      got,
      await get("cars"),
      await worker.get(`/v1/classify?url=${encodeURIComponent(url)}`),
    ].map(({ headers }) => headers.get("ETag") ?? "");
    expect(new Set(tags).size).toBe(3);
    const repeat = { headers: { "If-None-Match": tags[0]! } };
    const again = (head: string) =>
      worker.get(`/v1/classify?url=${encodeURIComponent(url)}&head=${head}`, repeat);
    expect([(await again("pets")).status, (await again("cars")).status]).toEqual([304, 200]);
  });

  test("is CDN_HEAD for /cdn/", async () => {
    origin.image("/photo.jpg", teapot, '"photo"');
    for (const _ of ["first", "known by its ETag"]) {
      const { headers } = await worker.get("/cdn/photo.jpg");
      expect(decodeURIComponent(headers.get("X-Image-Label") ?? "")).toMatch(/^pets 1 /);
    }
    const { json } = await worker.get("/cdn/photo.jpg", { headers: { Accept: "application/json" } });
    expect(json.head).toEqual({ name: "pets", version: pets.file.version });
  });

  test("works through a service binding", async () => {
    const call = async (options: unknown): Promise<Record<string, unknown>> => {
      const headers = { "X-Call": JSON.stringify({ method: "classify", options } satisfies Call) };
      const init = { method: "POST", body: teapot as BodyInit, headers };
      const [outcome] = JSON.parse((await worker.ask("rpc-consumer", "/", init)).text) as Outcome[];
      return outcome?.value as Record<string, unknown>;
    };
    const { ok, ...answer } = await call({ head: "pets", unknown: true });
    expect(answer).toEqual((await worker.classify(teapot, "?head=pets&unknown=true")).json);
    expect(ok).toBe(true);
    expect(await call({ head: "nix" })).toMatchObject({
      ok: false,
      error: { code: "unknown_head", status: 404 },
    });
    expect(await call({ unknown: true })).toMatchObject({ error: { parameter: "unknown", status: 400 } });
  });

  test("is in the list of /v1/heads, from the metadata in the bucket alone", async () => {
    const customMetadata = headMetadata({ live: [entryOf(cars)] });
    await worker.bucket.put(headCurrentKey("unread"), "not read", { customMetadata });
    const named = (json: Answer["json"]) => (json.heads as { name: string }[]).map(({ name }) => name);
    const { json } = await worker.get("/v1/heads");
    expect(json).toMatchObject({ model: backbone, truncated: false });
    expect(named(json)).toEqual(["cars", "pets", "unread"]);
    expect(json.heads).toContainEqual({ name: "pets", version: pets.file.version, backbone });
  });

  test("lists the head's classes for /v1/labels", async () => {
    const { json, headers } = await worker.get("/v1/labels?head=cars");
    expect(json).toMatchObject({ model: backbone, head: { name: "cars" } });
    expect(json.labels).toHaveLength(7);
    expect(headers.get("ETag")).not.toBe((await worker.get("/v1/labels")).headers.get("ETag"));
  });
});

describe("an invalid request", () => {
  test.each<[string, unknown[], RegExp]>([
    ["?head=pets&top_k=4", [400, "invalid_parameter"], /an integer from 1 to 3, the number of classes/],
    ["?head=Pets", [400, "invalid_parameter"], /head is "Pets"; expected a-z/],
    ["?head=heads", [400, "invalid_parameter"], /another name: heads is/],
    ["?head=..%2Fx", [400, "invalid_parameter"], /head is/],
    [
      "?unknown=true",
      [400, "invalid_parameter"],
      /expected false: the model [\w-]+ [0-9a-f]{16} was made without/,
    ],
    ["?head=pets&unknown=yes", [400, "invalid_parameter"], /true or false/],
    ["?head=cars&unknown=true", [400, "invalid_parameter"], /the head cars [0-9a-f]{16} was made without/],
    ["?head=nix", [404, "unknown_head"], /head "nix" does not exist here; .* npm run head -- push/],
  ])("%s", async (query, code, detail) => {
    const answer = await worker.classify(teapot, query);
    expect(codeOf(answer)).toEqual(code);
    expect(answer.json.detail).toMatch(detail);
  });

  test("a head for another version of the model is 503 with both versions", async () => {
    const other = await make("later", 5, { backbone: { ...backbone, version: "0".repeat(16) } });
    await seedHeads(worker.bucket, other);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const answer = await worker.classify(teapot, "?head=later");
    expect(codeOf(answer)).toEqual([503, "head_mismatch"]);
    expect(answer.headers.get("Retry-After")).toBe("2");
    expect(answer.json).toMatchObject({
      ...{ head: "later", backbones: [`${servedModel}/${"0".repeat(16)}`] },
      live: `${servedModel}/${backbone.version}`,
    });
  });

  test("a damaged head in the bucket is 503, and 200 after a valid one is pushed", async () => {
    const broken = await make("broken", 6);
    await seedHeads(worker.bucket, broken);
    await worker.bucket.put(headKey("broken", broken.file.version), broken.bytes.slice().reverse());
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const answer = await worker.classify(teapot, "?head=broken");
    expect(codeOf(answer)).toEqual([503, "head_unavailable"]);
    expect(answer.json.detail).toMatch(
      /heads\/broken\/[0-9a-f]{16}\.json has SHA-256 .* next request tries again/,
    );
    await seedHeads(worker.bucket, broken);
    expect((await worker.classify(teapot, "?head=broken")).status).toBe(200);
  });
});

describe("changes without a failed request", () => {
  test("another version of the head goes live, and a rollback restores the first", async () => {
    const next = await make("pets", 11, { unknown });
    await seedHeads(worker.bucket, next);
    const answer = await until((got) => versionOf(got) === next.file.version);
    expect(predictions(answer)[0]?.label).toMatch(/^pets 11 /);
    await seedHeads(worker.bucket, pets);
    await until((got) => versionOf(got) === pets.file.version);
  });

  test("another version of the model goes live with the head that was pushed for it, and a rollback restores both", async () => {
    const { manifest, files, folder } = await servedPack();
    const changed = { ...manifest, quantisation: { note: "another version" } };
    const version = await manifestVersion(changed);
    for (const { name } of files) {
      await worker.bucket.put(`${servedModel}/${version}/${name}`, await readFile(`${folder}/${name}`));
    }
    await worker.bucket.put(
      `${servedModel}/${version}/manifest.json`,
      JSON.stringify({ ...changed, version }),
    );
    const waiting = await make("pets", 21, { backbone: { name: servedModel, version } });
    await seedHeads(worker.bucket, pets, waiting);
    const goLive = (live: string) =>
      worker.bucket.put(
        `${servedModel}/current.json`,
        JSON.stringify({ format: 1, name: servedModel, version: live, history: [] }),
      );
    const pairs = new Set<string>();
    const note = (answer: Answer) => {
      const { version: model } = answer.json.model as { version: string };
      pairs.add(`${model} ${versionOf(answer)}`);
      return model;
    };
    await goLive(version);
    await until((got) => note(got) === version);
    await goLive(backbone.version);
    await until((got) => note(got) === backbone.version);
    expect(pairs).toEqual(
      new Set([`${backbone.version} ${pets.file.version}`, `${version} ${waiting.file.version}`]),
    );
  });
});
