import { beforeEach, describe, expect, test, vi } from "vitest";
import { randomHead } from "../../cli/head/random-head.ts";
import type { ClassifierError } from "../../src/errors.ts";
import { HeadStore, type HeadStoreOptions, maxDescribedHeads } from "../../src/head/head-store.ts";
import { headCurrentKey, headKey } from "../../src/head/live-heads.ts";
import { maxHeadBytes } from "../../src/limits.ts";
import type { Pack } from "../../src/model/pack.ts";
import { BucketSource, CachedSource } from "../../src/storage/bucket-source.ts";
import { never } from "../support/deferred.ts";
import { seedHeads } from "../support/head.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { tinyManifest } from "../support/tiny-pack.ts";

const refreshMs = 1000;
const stallMs = 500;
let bucket: MemoryBucket;
let log: Record<string, unknown>[];
let kept: Promise<unknown>[];
let nowMs: number;
let store: HeadStore;
let packs: Pack[];

const waitUntil = (work: Promise<unknown>) => void kept.push(work);
/** Waits for all background work. */
const settle = async () => {
  while (kept.length > 0) await kept.shift();
};
const make = (options: Partial<HeadStoreOptions> = {}) =>
  new HeadStore({
    waitUntil,
    source: new BucketSource(bucket, "push the head again"),
    bucket,
    log: (event) => void log.push(event),
    refreshMs,
    stallMs,
    now: () => nowMs,
    ...options,
  });
const pack = (i = 0) => packs[i] as Pack;
const head = (seed: number, name = "pets", on = 0, more = {}) =>
  randomHead({ name, seed, backbone: pack(on).manifest, featureSize: 3, ...more });
const labelOf = async (name = "pets", on = 0) => (await store.head(name, pack(on))).file.labels[0]?.label;
const refusal = (name = "pets", on = 0) =>
  store.head(name, pack(on)).then(
    () => expect.unreachable("it should be refused"),
    (error: ClassifierError) => ({ ...error.reason, message: error.message }),
  );

beforeEach(async () => {
  bucket = new MemoryBucket();
  [log, kept, nowMs] = [[], [], 1_000_000];
  packs = await Promise.all(
    [0, 1].map(async (run) => ({ manifest: await tinyManifest({ quantisation: { run } }), labels: [] })),
  );
  store = make();
});

describe("a head", () => {
  test("is found, read and decoded once for any number of requests", async () => {
    await seedHeads(bucket, await head(1));
    const found = await Promise.all(Array.from({ length: 50 }, () => labelOf()));
    expect(new Set(found)).toEqual(new Set(["pets 1 0"]));
    await labelOf();
    expect([bucket.lists, bucket.gets.length]).toEqual([1, 2]);
    expect(log).toMatchObject([{ event: "head_loaded", head: "pets", classes: 3 }]);
  });

  test("keeps its numbers and drops their base64", async () => {
    const made = await head(1, "pets", 0, { unknown: { backboneClasses: 2, threshold: 0.5 } });
    await seedHeads(bucket, made);
    const { file, weights, centroids } = await store.head("pets", pack());
    expect([weights.length, centroids?.length, file.weights, file.unknown?.centroids]).toEqual([
      9,
      6,
      "",
      "",
    ]);
    expect(file.unknown?.threshold).toBe(0.5);
  });

  test("with class means for another number of logits than the model gives is unavailable", async () => {
    await seedHeads(bucket, await head(1, "pets", 0, { unknown: { backboneClasses: 5, threshold: 0.5 } }));
    await expect(store.head("pets", pack())).rejects.toMatchObject({
      reason: {
        code: "head_unavailable",
        detail: expect.stringMatching(/takes 5 logits; the model gives 2/),
      },
    });
  });

  test("frees the bytes that it was read from", async () => {
    await seedHeads(bucket, await head(1));
    const read: Uint8Array[] = [];
    const source = new BucketSource(bucket);
    const readChecked = source.readChecked.bind(source);
    source.readChecked = async (...args) => {
      read.push(await readChecked(...args));
      return read[0]!;
    };
    store = make({ source });
    await labelOf();
    expect(read.map(({ length }) => length)).toEqual([0]);
  });

  test("several heads are read at once", async () => {
    await seedHeads(bucket, await head(1));
    await seedHeads(bucket, await head(2, "cars"));
    expect(await Promise.all([labelOf("pets"), labelOf("cars"), labelOf("pets")])).toEqual([
      ...["pets 1 0", "cars 2 0", "pets 1 0"],
    ]);
  });

  test("whose reading request was cancelled is read by the next request, and blocks no other head", async () => {
    store = make({ now: Date.now });
    await seedHeads(bucket, await head(1));
    await seedHeads(bucket, await head(2, "cars"));
    bucket.beforeGet = (key) => (/pets\/[0-9a-f]{16}/.test(key) ? never() : Promise.resolve());
    const left = refusal();
    const other = labelOf("cars");
    other.catch(() => {});
    await vi.waitFor(() => expect(bucket.gets.join()).toMatch(/pets\/[0-9a-f]{16}/));
    bucket.beforeGet = async () => {};
    expect(await Promise.all([labelOf(), other])).toEqual(["pets 1 0", "cars 2 0"]);
    expect(await left).toMatchObject({ code: "head_unavailable" });
  });
});

describe("the live heads", () => {
  const namesOf = async () => (await store.live()).heads.map(({ name }) => name);

  test("have name, version and backbone, and are listed once per period without a read", async () => {
    const [onFirst, onSecond, cars] = [await head(1), await head(2, "pets", 1), await head(3, "cars")];
    await seedHeads(bucket, onFirst, onSecond);
    await seedHeads(bucket, cars);
    const listings = await Promise.all([store.live(), store.live()]);
    const rows = [cars, onFirst, onSecond].map(({ file: { name, version, backbone } }) => ({
      ...{ name, version, backbone },
    }));
    expect(listings.map(({ heads }) => heads)).toEqual([rows, rows]);
    expect([bucket.lists, bucket.gets.length]).toEqual([1, 0]);
    bucket.objects.delete(headCurrentKey("cars"));
    expect((await store.live()).heads).toEqual(rows);
    nowMs += refreshMs;
    expect((await store.live()).heads).toEqual(rows.slice(1));
  });

  test("are a thousand at most, from as many pages as their versions fill", async () => {
    const names = Array.from({ length: maxDescribedHeads + 1 }, (_, i) => `h${String(i).padStart(4, "0")}`);
    const made = await head(1);
    for (const name of names) {
      await seedHeads(bucket, { ...made, file: { ...made.file, name } });
      await bucket.put(headKey(name, "0".repeat(16)), new Uint8Array(1));
    }
    const { heads, truncated } = await store.live();
    expect([heads.map(({ name }) => name), truncated]).toEqual([names.slice(0, -1), true]);
    expect([bucket.lists, bucket.gets.length]).toEqual([4, 0]);
    bucket.objects.delete(headCurrentKey(names.at(-1)!));
    nowMs += refreshMs;
    expect(await store.live()).toMatchObject({ heads: { length: 1000 }, truncated: false });
  });

  test("of earlier versions of head push have no metadata: a hundred of them are read", async () => {
    const names = Array.from({ length: 101 }, (_, i) => `h${String(i).padStart(3, "0")}`);
    const made = await head(1);
    for (const name of names) await seedHeads(bucket, { ...made, file: { ...made.file, name } });
    bucket.metadata.clear();
    bucket.metadata.set(headCurrentKey("h000"), { live: "[{}]" });
    expect(await namesOf()).toEqual(names.slice(0, 100));
    expect([bucket.gets.length, (await store.live()).truncated]).toEqual([100, true]);
    await seedHeads(bucket, { ...made, file: { ...made.file, name: "h050" } });
    nowMs += refreshMs;
    expect([await namesOf(), (await store.live()).truncated]).toEqual([names, false]);
  });

  test("end after twenty pages of objects", async () => {
    await seedHeads(bucket, await head(1));
    const list = bucket.list.bind(bucket);
    store = make({
      bucket: { list: async (options) => ({ ...(await list(options)), truncated: true, cursor: "h" }) },
    });
    expect([await namesOf(), bucket.lists, (await store.live()).truncated]).toEqual([["pets"], 20, true]);
  });

  test("leave out one whose current.json is damaged, and fail while the bucket fails", async () => {
    await seedHeads(bucket, await head(1));
    bucket.json(headCurrentKey("bad"), { format: 1 });
    bucket.beforeGet = async () => {
      throw new Error("R2 is down");
    };
    await expect(store.live()).rejects.toMatchObject({ reason: { code: "model_unavailable" } });
    bucket.beforeGet = async () => {};
    const { heads, truncated } = await store.live();
    expect([heads.map(({ name }) => name), truncated]).toEqual([["pets"], false]);
    expect(log).toMatchObject([{ event: "head_unreadable", head: "bad" }]);
  });
});

describe("memory and reads are bounded", () => {
  test("the least recently used decoded heads are removed first", async () => {
    for (const [i, name] of ["a", "b", "c"].entries()) {
      await seedHeads(bucket, await head(i, name, 0, { classes: 100, featureSize: 3 }));
    }
    await store.head("a", pack());
    const maxBytes = Math.floor(2.5 * store.usage.bytes);
    store = make({ maxBytes });
    for (const name of ["a", "b", "a", "c"]) await labelOf(name);
    expect(store.usage).toMatchObject({ known: 3, decoded: 2 });
    expect(store.usage.bytes).toBeLessThanOrEqual(maxBytes);
    const gets = bucket.gets.length;
    await labelOf("a");
    expect(bucket.gets).toHaveLength(gets);
    await labelOf("b");
    expect(bucket.gets.slice(gets)).toEqual([expect.stringMatching(/^heads\/b\/[0-9a-f]{16}\.json$/)]);
  });

  test("10,000 unknown names cost one list, no read and no memory", async () => {
    await seedHeads(bucket, await head(1));
    for (let i = 0; i < 10_000; i++) expect(await refusal(`no-${i}`)).toMatchObject({ code: "unknown_head" });
    expect([bucket.lists, bucket.gets.length, store.usage.known]).toEqual([1, 0, 0]);
  });

  test("current.json is kept of the heads used last", async () => {
    for (const [i, name] of ["a", "b", "c"].entries()) await seedHeads(bucket, await head(i, name));
    store = make({ maxKnown: 2 });
    for (const name of ["a", "b", "a", "c"]) await labelOf(name);
    expect(store.usage.known).toBe(2);
    const gets = bucket.gets.length;
    await labelOf("a");
    expect(bucket.gets).toHaveLength(gets);
    await labelOf("b");
    expect(bucket.gets.slice(gets)).toEqual([headCurrentKey("b")]);
  });

  test("with more heads than one list returns, each is found by its name", async () => {
    for (const [i, name] of ["a", "b"].entries()) await seedHeads(bucket, await head(i, name));
    const list = bucket.list.bind(bucket);
    store = make({ bucket: { list: (options) => list({ ...options, limit: 1 }) } });
    expect([await labelOf("b"), await labelOf("a")]).toEqual(["b 1 0", "a 0 0"]);
    expect(await refusal("c")).toMatchObject({ code: "unknown_head" });
  });

  test("a cache in front of the bucket saves the read of a file, and its content is checked", async () => {
    const made = await head(1);
    await seedHeads(bucket, made);
    const entries = new Map<string, Uint8Array>([[headKey("pets", made.file.version), made.bytes]]);
    const cache = {
      get: async (key: string) => entries.get(key)?.slice(),
      put: async (key: string, bytes: Uint8Array) => void entries.set(key, bytes.slice()),
      delete: async (key: string) => void entries.delete(key),
    };
    const cached = () =>
      make({
        source: new CachedSource({ source: new BucketSource(bucket), cache, onFailure: () => {}, waitUntil }),
      });
    store = cached();
    await labelOf();
    expect(bucket.gets).toEqual([headCurrentKey("pets")]);
    entries.set(headKey("pets", made.file.version), made.bytes.slice().reverse());
    store = cached();
    expect(await labelOf()).toBe("pets 1 0");
    expect(bucket.gets.at(-1)).toBe(headKey("pets", made.file.version));
  });
});

describe("a head that changes", () => {
  test("goes live in the background within the refresh time, with one read in that time", async () => {
    await seedHeads(bucket, await head(1));
    await labelOf();
    await seedHeads(bucket, await head(2));
    nowMs += refreshMs - 1;
    expect(await labelOf()).toBe("pets 1 0");
    await settle();
    expect(bucket.gets).toHaveLength(2);
    nowMs += 1;
    const answers = await Promise.all(Array.from({ length: 20 }, () => labelOf()));
    expect(new Set(answers)).toEqual(new Set(["pets 1 0"]));
    await settle();
    expect(await labelOf()).toBe("pets 2 0");
    expect(bucket.gets).toHaveLength(4);
  });

  test("to a broken version keeps the old one in service until it is fixed", async () => {
    await seedHeads(bucket, await head(1));
    await labelOf();
    const next = await head(2);
    await seedHeads(bucket, next);
    bucket.objects.set(headKey("pets", next.file.version), next.bytes.slice().reverse());
    for (const expected of ["pets 1 0", "pets 1 0"]) {
      nowMs += refreshMs;
      expect(await labelOf()).toBe(expected);
      await settle();
    }
    expect(log.at(-1)).toMatchObject({
      event: "head_refresh_failed",
      reason: expect.stringContaining("SHA-256"),
    });
    bucket.objects.set(headKey("pets", next.file.version), next.bytes);
    nowMs += refreshMs;
    await labelOf();
    await settle();
    expect(await labelOf()).toBe("pets 2 0");
  });

  test("becomes unknown when its folder is deleted", async () => {
    await seedHeads(bucket, await head(1));
    await labelOf();
    bucket.objects.clear();
    nowMs += refreshMs;
    expect(await labelOf()).toBe("pets 1 0");
    await settle();
    expect(await refusal()).toMatchObject({ code: "unknown_head" });
  });

  test("for the first time is found within the refresh time", async () => {
    expect(await refusal()).toMatchObject({
      code: "unknown_head",
      message: expect.stringContaining("push FILE"),
    });
    await seedHeads(bucket, await head(1));
    expect(await refusal()).toMatchObject({ code: "unknown_head" });
    nowMs += refreshMs;
    expect(await labelOf()).toBe("pets 1 0");
  });

  test("during its first push is unknown until it is live", async () => {
    const made = await head(1);
    await bucket.put(headKey("pets", made.file.version), made.bytes);
    expect(await refusal()).toMatchObject({ code: "unknown_head" });
    await seedHeads(bucket, made);
    expect(await labelOf()).toBe("pets 1 0");
  });
});

describe("a model that changes", () => {
  test("finds its head at once, also after a rollback", async () => {
    await seedHeads(bucket, await head(1), await head(2, "pets", 1));
    expect([await labelOf("pets", 0), await labelOf("pets", 1), await labelOf("pets", 0)]).toEqual([
      ...["pets 1 0", "pets 2 0", "pets 1 0"],
    ]);
  });

  test("finds a head that was pushed for it after the last refresh", async () => {
    await seedHeads(bucket, await head(1));
    await labelOf();
    await seedHeads(bucket, await head(1), await head(2, "pets", 1));
    expect(await labelOf("pets", 1)).toBe("pets 2 0");
  });

  test("to one without a head gives head_mismatch with both versions and reads the bucket again later", async () => {
    await seedHeads(bucket, await head(1));
    const [old, live] = packs.map(({ manifest }) => `tiny/${manifest.version}`);
    const expected = { code: "head_mismatch", head: "pets", backbones: [old], live };
    expect(await refusal("pets", 1)).toMatchObject({ ...expected, retryAfterSeconds: 2 });
    const gets = bucket.gets.length;
    for (let i = 0; i < 100; i++) expect(await refusal("pets", 1)).toMatchObject(expected);
    expect(bucket.gets).toHaveLength(gets);
    await seedHeads(bucket, await head(1), await head(2, "pets", 1));
    nowMs += 2000;
    expect(await labelOf("pets", 1)).toBe("pets 2 0");
  });
});

describe("a fault gives head_unavailable with the reason, and the next request tries again", () => {
  const expectFailureThenRecovery = async (detail: RegExp) => {
    const reason = await refusal();
    expect(reason).toMatchObject({ code: "head_unavailable", head: "pets", retryAfterSeconds: 2 });
    expect(reason.message).toMatch(detail);
    expect(reason.message).toMatch(/The next request tries again/);
    bucket.beforeGet = async () => {};
    await seedHeads(bucket, await head(1));
    expect(await labelOf()).toBe("pets 1 0");
  };

  test.each([
    ["list", /^heads\/$/, /listing the heads in the bucket failed/],
    ["read of current.json", /current\.json$/, /reading heads\/pets\/current\.json from the bucket failed/],
    [
      "read of the file",
      /[0-9a-f]{16}\.json$/,
      /reading heads\/pets\/[0-9a-f]{16}\.json from the bucket failed/,
    ],
  ])("a failing %s", async (_, failing, detail) => {
    await seedHeads(bucket, await head(1));
    bucket.beforeGet = async (key) => {
      if (failing.test(key)) throw new Error("R2 is down");
    };
    await expectFailureThenRecovery(detail);
  });

  test.each<[string, (key: string) => void, RegExp]>([
    ["missing", (key) => bucket.objects.delete(key), /no object heads\/pets\/.* push the head again/],
    ["truncated", (key) => bucket.objects.set(key, new Uint8Array(9)), /has 9 bytes; expected/],
    ["changed", (key) => bucket.objects.get(key)?.reverse(), /has SHA-256/],
  ])("a file that is %s", async (_, damage, detail) => {
    const made = await head(1);
    await seedHeads(bucket, { ...made, bytes: made.bytes.slice() });
    damage(headKey("pets", made.file.version));
    await expectFailureThenRecovery(detail);
  });

  test("a file of another format", async () => {
    const made = await head(1);
    await seedHeads(bucket, { ...made, bytes: new TextEncoder().encode('{"format":7}') });
    await expectFailureThenRecovery(
      /[0-9a-f]{16}\.json is not valid: format: it has format 7; this version reads formats 1 and 2/,
    );
  });

  test("a file of another head under the key of this one", async () => {
    const [made, other] = [await head(1), await head(2, "cars")];
    await seedHeads(bucket, { file: made.file, bytes: other.bytes });
    await expectFailureThenRecovery(/it is cars [0-9a-f]{16} for tiny\/.*; expected pets/);
  });

  test("a file with another number of features", async () => {
    await seedHeads(bucket, await head(1, "pets", 0, { featureSize: 4 }));
    await expectFailureThenRecovery(/takes 4 features; the model gives 3/);
  });

  test.each([
    ["not JSON", "{", /is not JSON/],
    ["of another format", '{"format":2}', /is not valid: format/],
    ["without a live version", '{"format":1,"name":"pets","live":[],"history":[]}', /is not valid: live/],
  ])("a current.json that is %s", async (_, text, detail) => {
    await bucket.put(headCurrentKey("pets"), text);
    await expectFailureThenRecovery(detail);
  });

  test("a current.json that names a file over the size limit", async () => {
    await seedHeads(bucket, await head(1));
    const key = headCurrentKey("pets");
    const current = JSON.parse(new TextDecoder().decode(bucket.objects.get(key))) as {
      live: { bytes: number }[];
    };
    current.live[0]!.bytes = maxHeadBytes + 1;
    bucket.json(key, current);
    await expectFailureThenRecovery(/is not valid: live\.0\.bytes/);
  });
});
