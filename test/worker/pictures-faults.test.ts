/**
 * Labels a bucket while everything goes wrong: uploads and deletions at any moment, repeated and shuffled messages, bindings
 * that fail, invocations that end half-way, and a restart. At the end, each object has exactly one right row.
 */
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Counts, Faults } from "../support/pictures/faults.ts";
import {
  differences,
  drain,
  eventOf,
  labelAll,
  type PicturesWorker,
  type Row,
  restartPictures,
  rowOf,
  rowsOf,
  startPictures,
} from "../support/pictures/pictures-worker.ts";
import { exampleImage } from "../support/worker.ts";

let bench: PicturesWorker;
let teapot: Uint8Array;
let ladybug: Uint8Array;

beforeAll(async () => {
  const configPath = "test/support/pictures/faulty.toml";
  [bench, teapot, ladybug] = await Promise.all([
    startPictures({ configPath, fromSource: true }),
    exampleImage("teapot"),
    exampleImage("ladybug"),
  ]);
});
afterAll(() => bench?.worker.close());

beforeEach(async () => {
  await setFaults({});
  const { objects } = await bench.pictures.list();
  if (objects.length > 0) await bench.pictures.delete(objects.map(({ key }) => key));
  for (const table of ["pictures", "dead_letters"])
    await bench.database.prepare(`DELETE FROM ${table}`).all();
  bench.worker.clearLogs();
});

async function setFaults(faults: Faults): Promise<void> {
  await bench.worker.get("/.faults", { method: "PUT", body: JSON.stringify(faults) });
}
const counts = async () => (await bench.worker.get("/.faults")).json as Counts;
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

async function upload(key: string, bytes: Uint8Array | string): Promise<void> {
  await bench.pictures.put(key, bytes);
  await bench.queue.send(eventOf(key));
}

test("a repeated event costs one R2 head and one D1 read", async () => {
  await upload("a.jpg", teapot);
  await rowOf(bench, "a.jpg");
  await setFaults({});
  await bench.queue.send(eventOf("a.jpg"));
  await vi.waitFor(async () => expect(await counts()).toEqual({ "bucket.head": 1, "database.read": 1 }));
});

test("a new picture costs two R2 heads, one R2 get, one D1 read and one D1 write", async () => {
  await upload("a.jpg", teapot);
  const expected = { "bucket.head": 2, "bucket.get": 1, "database.read": 1, "database.write": 1 };
  await vi.waitFor(async () => expect(await counts()).toEqual(expected));
});

describe("somebody who", () => {
  test.each(["bucket.head", "bucket.get", "database.read", "database.write"] as const)(
    "replaces the object just before the first %s gets the label of the new one",
    async (before) => {
      await setFaults({ interferences: [{ before, key: "a.jpg", upload: base64(ladybug) }] });
      await upload("a.jpg", teapot);
      await rowOf(bench, "a.jpg", ({ label }) => label !== "teapot");
      expect(await differences(bench)).toEqual([]);
    },
  );

  test.each(["bucket.get", "database.read", "database.write"] as const)(
    "deletes the object just before the first %s leaves no row",
    async (before) => {
      await setFaults({ interferences: [{ before, key: "a.jpg" }] });
      await upload("a.jpg", teapot);
      await drain(bench);
      expect(await rowsOf(bench)).toEqual([]);
    },
  );

  test("uploads again just before the row of the deleted object is removed gets a row", async () => {
    await upload("a.jpg", teapot);
    await rowOf(bench, "a.jpg");
    await bench.pictures.delete("a.jpg");
    await setFaults({ interferences: [{ before: "database.write", key: "a.jpg", upload: base64(ladybug) }] });
    await bench.queue.send(eventOf("a.jpg", "DeleteObject"));
    await drain(bench);
    expect(await differences(bench)).toEqual([]);
    expect(await rowsOf(bench)).toHaveLength(1);
  });

  test("uploads at every step is followed until the uploads end", async () => {
    const step = { before: "bucket.get", key: "a.jpg", upload: base64(ladybug) } as const;
    await setFaults({ interferences: Array.from({ length: 7 }, (_, skip) => ({ ...step, skip })) });
    await upload("a.jpg", teapot);
    // It gives up after five uploads, and the retry finds the last one.
    await vi.waitFor(async () => expect(await counts()).toMatchObject({ "bucket.get": 8 }), {
      timeout: 10_000,
    });
    await vi.waitFor(async () => expect(await differences(bench)).toEqual([]));
    expect((await bench.worker.logs("queue_retry"))[0]).toMatchObject({
      key: "a.jpg",
      code: "pictures_unavailable",
    });
  });
});

describe.each(["bucket.head", "bucket.get", "database.read", "database.write"] as const)(
  "a failing %s",
  (operation) => {
    test("is retried, and the picture is labelled when it works again", async () => {
      await setFaults({ failing: 1, operations: [operation] });
      await upload("a.jpg", teapot);
      await vi.waitFor(async () => expect(await bench.worker.logs("queue_retry")).not.toEqual([]));
      expect((await bench.worker.logs("queue_retry"))[0]).toMatchObject({
        ...{ key: "a.jpg", code: "pictures_unavailable", attempts: 1 },
        delaySeconds: 2,
      });
      await setFaults({});
      await rowOf(bench, "a.jpg");
      expect(await differences(bench)).toEqual([]);
    });
  },
);

test("routes answer 503 while a binding fails, and 200 afterwards", async () => {
  await setFaults({ failing: 1 });
  for (const path of ["", "/labels", "/status", "/similar?key=a", "/thumbnail?key=a"]) {
    const { status, json, headers } = await bench.worker.get(`/v1/pictures${path}`);
    expect([status, json.code, headers.get("Retry-After")]).toEqual([503, "pictures_unavailable", "2"]);
  }
  for (const path of ["label", "retry"]) {
    const { status, json } = await bench.worker.get(`/v1/pictures/${path}`, { method: "POST", body: "{}" });
    expect([status, json.code]).toEqual([503, "pictures_unavailable"]);
  }
  await setFaults({});
  expect((await bench.worker.get("/v1/pictures/status")).status).toBe(200);
});

test("a failing queue is 503, and the next request sends the messages", async () => {
  await bench.pictures.put("a.jpg", teapot);
  await setFaults({ failing: 1, operations: ["queue.send"] });
  const label = () => bench.worker.get("/v1/pictures/label", { method: "POST" });
  expect((await label()).json.code).toBe("pictures_unavailable");
  await setFaults({});
  expect((await label()).status).toBe(200);
  await rowOf(bench, "a.jpg");
});

test("a message whose invocations all end half-way is recorded as a dead letter, and `retry` labels its picture", async () => {
  await setFaults({ aborting: 1, operations: ["bucket.head"] });
  await upload("a.jpg", teapot);
  const dead = async () => (await bench.worker.get("/v1/pictures/status")).json.dead_letters;
  await vi.waitFor(async () => expect(await dead()).toEqual({ count: 1, keys: ["a.jpg"] }), 20_000);
  await setFaults({});
  await bench.worker.get("/v1/pictures/retry", { method: "POST" });
  await rowOf(bench, "a.jpg");
  expect(await dead()).toEqual({ count: 0, keys: [] });
});

/** Objects of the long test. */
const objectCount = 500;

describe(`${objectCount} objects`, () => {
  let random: () => number;
  /** What each kind of object must give. */
  let kinds: { name: string; bytes: Uint8Array | string; isRight: (row: Row) => boolean }[];
  const kindOf = new Map<string, number>();

  beforeAll(async () => {
    let state = 19;
    random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const small = (image: Uint8Array, side: number) => sharp(image).resize(side);
    const isTeapot = ({ label, code }: Row) => label === "teapot" && code === null;
    const isLabelled = ({ label, score, code }: Row) => label !== null && score !== null && code === null;
    const failsWith = (code: string) => (row: Row) => row.code === code && row.label === null;
    kinds = [
      { name: "teapot.jpg", bytes: await small(teapot, 160).jpeg().toBuffer(), isRight: isTeapot },
      { name: "teapot.png", bytes: await small(teapot, 96).png().toBuffer(), isRight: isTeapot },
      { name: "ladybug.webp", bytes: await small(ladybug, 96).webp().toBuffer(), isRight: isLabelled },
      { name: "half.jpg", bytes: teapot.slice(0, 300), isRight: failsWith("image_undecodable") },
      { name: "notes.txt", bytes: "some text", isRight: failsWith("unsupported_image") },
      { name: "empty", bytes: "", isRight: failsWith("empty_body") },
    ];
  });

  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const shuffled = <T>(items: readonly T[]) =>
    items
      .map((item) => ({ item, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  const keys = Array.from({ length: objectCount }, (_, i) => `${["a", "b/c", "ü"][i % 3]}/${i}`);

  async function put(key: string): Promise<void> {
    const kind = Math.floor(random() * kinds.length);
    // Uploads in the same millisecond would be indistinguishable by their time.
    await bench.pictures.put(key, kinds[kind]!.bytes);
    kindOf.set(key, kind);
  }

  async function send(events: readonly object[]): Promise<void> {
    for (let i = 0; i < events.length; i += 100) {
      await bench.queue.sendBatch(events.slice(i, i + 100).map((body) => ({ body })));
    }
  }

  /** Uploads, replaces and deletes while messages arrive in any order, some of them twice. */
  async function churn(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const events: object[] = [];
      for (const key of shuffled(keys).slice(0, 100)) {
        if (random() < 0.2) {
          await bench.pictures.delete(key);
          kindOf.delete(key);
          events.push(eventOf(key, "DeleteObject"));
        } else {
          await put(key);
          events.push(eventOf(key));
        }
      }
      // A repetition of earlier events, and late ones about keys that have changed since.
      await send(
        shuffled([
          ...events,
          ...events.slice(0, 30),
          eventOf(pick(keys)),
          eventOf(pick(keys), "DeleteObject"),
        ]),
      );
    }
  }

  const isRight = (row: Row) => kinds[kindOf.get(row.key) ?? -1]?.isRight(row) ?? false;
  /** Reads all rows only now and then: wrangler's bindings block this process, and with it the local queue. */
  const settled = (timeoutMs: number) =>
    vi.waitFor(async () => expect(await differences(bench, isRight)).toEqual([]), {
      timeout: timeoutMs,
      interval: 5_000,
    });

  test("have one right row each after failures, aborted invocations, repetitions, a restart, and `label`", async () => {
    const operations = ["bucket.head", "bucket.get", "database.read", "database.write"] as const;
    for (const key of keys) await put(key);
    await setFaults({ seed: 7, failing: 0.03, operations });
    await send(shuffled(keys.map((key) => eventOf(key))));
    await churn(3);
    // The retries alone repair what failed.
    await settled(90_000);
    expect((await bench.worker.logs("queue_retry")).length).toBeGreaterThan(10);

    await setFaults({ seed: 8, failing: 0.03, aborting: 0.005, operations });
    await churn(4);
    await vi.waitFor(async () => expect((await counts()).aborted).toBeGreaterThan(3), 30_000);
    await churn(2);
    // The queue of a local process, and the retries that wait in it, are lost with the process.
    bench = await restartPictures(bench);
    expect(await labelAll(bench)).toBeGreaterThan(0);
    await settled(60_000);
    expect(await labelAll(bench)).toBe(0);
    expect(await rowsOf(bench)).toHaveLength(kindOf.size);
  }, 240_000);
});
