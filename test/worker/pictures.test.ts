/** Labels a bucket: the built Worker with the local R2, D1 and Queues of workerd. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import {
  drain,
  eventOf,
  labelAll,
  type PicturesWorker,
  rowOf,
  rowsOf,
  startPictures,
} from "../support/pictures/pictures-worker.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

let bench: PicturesWorker;
let teapot: Uint8Array;
let ladybug: Uint8Array;

beforeAll(async () => {
  [bench, teapot, ladybug] = await Promise.all([
    startPictures({ vars: { KEEP_FEATURES: "true" } }),
    exampleImage("teapot"),
    exampleImage("ladybug"),
  ]);
});
afterAll(() => bench?.worker.close());

beforeEach(async () => {
  const { objects } = await bench.pictures.list();
  if (objects.length > 0) await bench.pictures.delete(objects.map(({ key }) => key));
  for (const table of ["pictures", "dead_letters"])
    await bench.database.prepare(`DELETE FROM ${table}`).all();
  bench.worker.clearLogs();
});

const get = (path: string) => bench.worker.get(path);
const post = (path: string, body: unknown) =>
  bench.worker.get(path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
const pictures = async (query = "") =>
  (await get(`/v1/pictures${query}`)).json.pictures as Record<string, unknown>[];

async function upload(key: string, bytes: Uint8Array | string): Promise<void> {
  await bench.pictures.put(key, bytes);
  await bench.queue.send(eventOf(key));
}

describe("an event", () => {
  test("about an upload gives a row with the answer of POST /v1/classify", async () => {
    await upload("a/teapot.jpg", teapot);
    await rowOf(bench, "a/teapot.jpg");
    const [picture] = await pictures();
    const answer = (await bench.worker.classify(teapot)).json;
    const { etag, uploaded } = (await bench.pictures.head("a/teapot.jpg"))!;
    expect(picture).toEqual({
      ...{ key: "a/teapot.jpg", etag, uploaded: uploaded.toISOString(), stale: false },
      ...{ image: answer.image, model: answer.model, predictions: answer.predictions },
      labelled_at: expect.stringMatching(/^20\d\d-.*Z$/),
    });
  });

  test("about a deletion removes the row", async () => {
    await upload("a.jpg", teapot);
    await rowOf(bench, "a.jpg");
    await bench.pictures.delete("a.jpg");
    await bench.queue.send(eventOf("a.jpg", "DeleteObject"));
    await drain(bench);
    expect(await rowsOf(bench)).toEqual([]);
  });

  test("that arrives late changes nothing: a deletion of an object that exists again, an upload of one that is gone", async () => {
    await bench.pictures.put("again.jpg", teapot);
    await bench.queue.send(eventOf("again.jpg", "DeleteObject"));
    await bench.queue.send(eventOf("gone.jpg"));
    await drain(bench);
    expect((await rowsOf(bench)).map(({ key, label }) => [key, label])).toEqual([["again.jpg", "teapot"]]);
  });

  test("about another upload under the same key replaces the row", async () => {
    await upload("a.jpg", teapot);
    await rowOf(bench, "a.jpg");
    await upload("a.jpg", ladybug);
    await rowOf(bench, "a.jpg", ({ label }) => label !== "teapot");
    expect(await rowsOf(bench)).toHaveLength(1);
  });

  test.each([
    ["text", "hello", "unsupported_image"],
    ["nothing", "", "empty_body"],
    ["half a JPEG", "half", "image_undecodable"],
  ])(
    "about an object with %s gives a row with the error, and is not tried again",
    async (_, content, code) => {
      await upload("x", content === "half" ? teapot.slice(0, 300) : content);
      const row = await rowOf(bench, "x");
      expect([row.code, row.label, row.score]).toEqual([code, null, null]);
      const [picture] = await pictures();
      expect(picture).toMatchObject({
        key: "x",
        stale: false,
        error: { code, detail: expect.stringMatching(/\w{3}/) },
      });
      expect(await bench.worker.logs("queue_retry")).toEqual([]);
    },
  );

  test("about a key that is hostile to SQL, JSON and HTML keeps the key as it is", async () => {
    const keys = [
      `'; DROP TABLE pictures; --`,
      `"<img src=x onerror=alert(1)>"`,
      "ünï/𝄞 %2F?#&+",
      "a\\b\n\u0001",
    ];
    for (const key of keys) await upload(key, teapot);
    for (const key of keys) await rowOf(bench, key);
    expect((await pictures()).map(({ key }) => key)).toEqual(
      keys.toSorted((a, b) => Buffer.from(a).compare(Buffer.from(b))),
    );
    for (const key of keys) expect(await pictures(`?key=${encodeURIComponent(key)}`)).toHaveLength(1);
  });
});

describe("a message that is not understood", () => {
  test("is recorded as a dead letter", async () => {
    await bench.queue.sendBatch([{ body: "hello" }, { body: { type: "label" } }, { body: null }]);
    await drain(bench);
    const { dead_letters } = (await get("/v1/pictures/status")).json as {
      dead_letters: { count: number; keys: string[] };
    };
    expect(dead_letters.count).toBe(3);
    expect(dead_letters.keys).toContain('not understood: {"type":"label"}');
    expect(await rowsOf(bench)).toEqual([]);
  });
});

describe("the list", () => {
  beforeEach(async () => {
    for (let i = 0; i < 5; i++) await bench.pictures.put(`pots/${i}.jpg`, teapot);
    await bench.pictures.put("bugs/1.jpg", ladybug);
    await bench.pictures.put("notes.txt", "text");
    await labelAll(bench);
    await drain(bench);
  });

  test("pages by key, and by score for one label, without gaps and repetitions", async () => {
    for (const [query, count] of [
      ["", 7],
      ["&label=teapot", 5],
    ] as const) {
      const keys: unknown[] = [];
      for (let cursor = ""; ; ) {
        const { json } = await get(`/v1/pictures?limit=2${query}${cursor && `&cursor=${cursor}`}`);
        keys.push(...(json.pictures as { key: string }[]).map(({ key }) => key));
        if (json.cursor === undefined) break;
        cursor = json.cursor as string;
      }
      expect(keys).toHaveLength(count);
      expect(new Set(keys).size).toBe(count);
    }
  });

  test("filters by label, score, code, key and prefix", async () => {
    expect(await pictures("?label=teapot&min_score=0.5")).toHaveLength(5);
    expect(await pictures("?label=teapot&min_score=1")).toHaveLength(0);
    expect(await pictures("?code=unsupported_image")).toMatchObject([{ key: "notes.txt" }]);
    expect(await pictures("?key=bugs/1.jpg")).toMatchObject([{ key: "bugs/1.jpg" }]);
    expect(await pictures("?prefix=pots/")).toHaveLength(5);
    expect(await pictures("?label=nothing")).toEqual([]);
  });

  test("has the features on request, equal to those of POST /v1/embed", async () => {
    expect((await pictures("?key=bugs/1.jpg"))[0]).not.toHaveProperty("features");
    const [picture] = await pictures("?key=bugs/1.jpg&include=features");
    const embed = await get("/v1/embed?encoding=base64").catch(() => undefined);
    expect(embed?.status).toBe(405);
    const embedding = await bench.worker.get("/v1/embed?encoding=base64", {
      method: "POST",
      body: ladybug as BodyInit,
    });
    expect(picture?.features).toBe(embedding.json.embedding);
  });

  test("counts labels, failures and progress", async () => {
    const { labels, failures } = (await get("/v1/pictures/labels")).json as {
      labels: { label: string; count: number }[];
      failures: unknown;
    };
    expect(labels).toHaveLength(2);
    expect(labels[0]).toEqual({ label: "teapot", count: 5 });
    expect(failures).toEqual([{ code: "unsupported_image", count: 1 }]);
    expect((await get("/v1/pictures/status")).json).toEqual({
      ...{ pictures: 7, current: 6, stale: 0, failed: 1, waiting: 0 },
      failures: [{ code: "unsupported_image", count: 1 }],
      dead_letters: { count: 0, keys: [] },
    });
  });

  test("of similar pictures begins with equal ones", async () => {
    const { json } = await get("/v1/pictures/similar?key=pots/0.jpg&limit=5");
    const found = json.pictures as { key: string; similarity: number }[];
    expect(json.compared).toBe(5);
    expect(found.map(({ key }) => key)).toEqual(
      [1, 2, 3, 4].map((i) => `pots/${i}.jpg`).concat("bugs/1.jpg"),
    );
    expect(found[0]?.similarity).toBeCloseTo(1, 6);
    expect(found[4]?.similarity).toBeLessThan(0.999);
  });

  test.each([
    ["/v1/pictures?limit=0", 400, "invalid_parameter"],
    ["/v1/pictures?limit=501", 400, "invalid_parameter"],
    ["/v1/pictures?min_score=2", 400, "invalid_parameter"],
    ["/v1/pictures?cursor=%00", 400, "invalid_parameter"],
    ["/v1/pictures?cursor=WyJh", 400, "invalid_parameter"],
    ["/v1/pictures?include=secrets", 400, "invalid_parameter"],
    ["/v1/pictures/similar", 400, "invalid_parameter"],
    ["/v1/pictures/similar?key=none", 404, "unknown_picture"],
    ["/v1/pictures/similar?key=notes.txt", 409, "features_missing"],
    ["/v1/pictures/thumbnail?key=none", 404, "unknown_picture"],
    ["/v1/pictures/thumbnail?key=notes.txt", 415, "unsupported_image"],
    ["/v1/pictures/thumbnail?key=notes.txt&size=4000", 400, "invalid_parameter"],
    ["/v1/pictures/nothing", 404, "not_found"],
  ])("refuses %s", async (path, status, code) => {
    const answer = await get(path);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });
});

describe("a thumbnail", () => {
  test("is a small upright JPEG with an ETag, and is not made again for a client that has it", async () => {
    await bench.pictures.put("a.jpg", teapot);
    const response = await fetch(new URL("/v1/pictures/thumbnail?key=a.jpg&size=128", bench.worker.url));
    const { default: sharp } = await import("sharp");
    const { format, width, height } = await sharp(await response.arrayBuffer()).metadata();
    expect({ format, width, height }).toEqual({ format: "jpeg", width: 128, height: 96 });
    expect(response.headers.get("Content-Type")).toBe("image/jpeg");
    expect(response.headers.get("Cache-Control")).toMatch(/^private/);
    const headers = { "If-None-Match": response.headers.get("ETag")! };
    const again = await bench.worker.get("/v1/pictures/thumbnail?key=a.jpg&size=128", { headers });
    expect([again.status, again.text]).toEqual([304, ""]);
    await bench.pictures.put("a.jpg", ladybug);
    expect((await bench.worker.get("/v1/pictures/thumbnail?key=a.jpg&size=128", { headers })).status).toBe(
      200,
    );
  });
});

describe("POST /v1/pictures/label", () => {
  test("enqueues what lacks a current row, and rows without an object, and nothing twice", async () => {
    await bench.pictures.put("new.jpg", teapot);
    await upload("old.jpg", teapot);
    await upload("gone.jpg", teapot);
    await upload("replaced.jpg", teapot);
    await drain(bench);
    await bench.pictures.delete("gone.jpg");
    await bench.pictures.put("replaced.jpg", ladybug);
    await bench.database.prepare("DELETE FROM pictures WHERE key = 'new.jpg'").all();
    expect(await labelAll(bench)).toBe(3);
    await drain(bench);
    expect((await rowsOf(bench)).map(({ key }) => key)).toEqual(["new.jpg", "old.jpg", "replaced.jpg"]);
    expect(await labelAll(bench)).toBe(0);
  });

  test("looks only at the prefix", async () => {
    for (const key of ["a/1.jpg", "b/1.jpg", "b/2.jpg", "c.jpg"]) await bench.pictures.put(key, teapot);
    expect(await labelAll(bench, { prefix: "b/" })).toBe(2);
    await drain(bench);
    expect((await rowsOf(bench)).map(({ key }) => key)).toEqual(["b/1.jpg", "b/2.jpg"]);
  });

  test("with stale labels what another version has labelled; until then it is marked", async () => {
    await upload("a.jpg", teapot);
    await upload("b.txt", "text");
    await drain(bench);
    await bench.database
      .prepare("UPDATE pictures SET model = 'small/0123456789abcdef' WHERE key = 'a.jpg'")
      .all();
    expect(await pictures("?key=a.jpg")).toMatchObject([{ stale: true }]);
    expect((await get("/v1/pictures/status")).json).toMatchObject({ current: 0, stale: 1, failed: 1 });
    expect(await labelAll(bench)).toBe(0);
    expect(await labelAll(bench, { stale: true })).toBe(1);
    await drain(bench);
    expect(await pictures("?key=a.jpg")).toMatchObject([{ stale: false }]);
  });

  test.each(["{", "[]", '{"prefix": 1}', '{"other": 1}', `{"prefix": "${"x".repeat(300_000)}"}`])(
    "refuses malformed body %#",
    async (body) => {
      const answer = await post("/v1/pictures/label", body);
      expect([answer.status, answer.json.code]).toEqual([400, "malformed_body"]);
    },
  );
});

describe("POST /v1/pictures/retry", () => {
  test("tries failed objects and dead letters again", async () => {
    await upload("broken.jpg", teapot.slice(0, 300));
    await rowOf(bench, "broken.jpg");
    await bench.pictures.put("dead.jpg", teapot);
    const insert = "INSERT INTO dead_letters (id, key, body, died_at) VALUES ('1', 'dead.jpg', ?, 1)";
    await bench.database
      .prepare(insert)
      .bind(JSON.stringify(eventOf("dead.jpg")))
      .all();
    expect((await get("/v1/pictures/status")).json.dead_letters).toEqual({ count: 1, keys: ["dead.jpg"] });
    let enqueued = 0;
    for (let cursor: unknown; cursor !== null; ) {
      const { json } = await post("/v1/pictures/retry", cursor === undefined ? {} : { cursor });
      enqueued += json.enqueued as number;
      cursor = json.cursor;
    }
    expect(enqueued).toBe(2);
    await rowOf(bench, "dead.jpg");
    await drain(bench);
    expect((await get("/v1/pictures/status")).json.dead_letters).toEqual({ count: 0, keys: [] });
    expect((await rowsOf(bench, "code IS NOT NULL")).map(({ key }) => key)).toEqual(["broken.jpg"]);
  });
});

describe("POST /v1/pictures/events", () => {
  test("enqueues notifications", async () => {
    await bench.pictures.put("a.jpg", teapot);
    expect((await post("/v1/pictures/events", { events: [eventOf("a.jpg")] })).json).toEqual({ enqueued: 1 });
    await rowOf(bench, "a.jpg");
  });

  test("refuses none, too many, and those of another form", async () => {
    for (const events of [
      [],
      Array.from({ length: 101 }, () => eventOf("a")),
      [{ key: "a" }],
      [eventOf("")],
    ]) {
      expect(await post("/v1/pictures/events", { events })).toMatchObject({
        status: 400,
        json: { code: "malformed_body" },
      });
    }
  });
});

describe("examples/vectorize", () => {
  /** An index that compares every vector. Vectorize itself has no local simulation. */
  class ExactIndex {
    readonly vectors = new Map<
      string,
      { id: string; namespace: string; values: number[]; metadata: object }
    >();

    async upsert(vectors: { id: string; namespace: string; values: number[]; metadata: object }[]) {
      for (const vector of vectors) this.vectors.set(vector.id, vector);
    }

    async query(wanted: number[], { topK, namespace }: { topK: number; namespace: string }) {
      const length = (v: number[]) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
      const cosine = (v: number[]) =>
        v.reduce((sum, x, i) => sum + x * wanted[i]!, 0) / length(v) / length(wanted);
      const inSpace = [...this.vectors.values()].filter((vector) => vector.namespace === namespace);
      const matches = inSpace.map(({ values, metadata }) => ({ metadata, score: cosine(values) }));
      return { matches: matches.sort((a, b) => b.score - a.score).slice(0, topK) };
    }
  }

  test("copies the features into the index, and finds what /v1/pictures/similar finds", async () => {
    for (const [key, bytes] of [
      ["a.jpg", teapot],
      ["b.jpg", teapot],
      ["c.jpg", ladybug],
    ] as const) {
      await bench.pictures.put(key, bytes);
    }
    await bench.pictures.put("notes.txt", "text");
    await labelAll(bench);
    await drain(bench);
    const file = path.join(projectFolder, "examples", "vectorize", "index.ts");
    const { default: example } = await import(pathToFileURL(file).href);
    const VECTORIZE = new ExactIndex();
    const LABELLER = {
      fetch: (url: string, init: RequestInit) => {
        const { pathname, search } = new URL(url);
        return fetch(new URL(pathname + search, bench.worker.url), init);
      },
    };
    const env = { VECTORIZE, LABELLER, KEY: "unused" };
    await example.scheduled(undefined, env);
    expect(VECTORIZE.vectors.size).toBe(3);
    const response: Response = await example.fetch(new Request("https://example.com/?key=a.jpg"), env);
    const found = (await response.json()) as { key: string; similarity: number }[];
    const { json } = await get("/v1/pictures/similar?key=a.jpg");
    const exact = json.pictures as { key: string; similarity: number }[];
    expect(found.map(({ key }) => key)).toEqual(exact.map(({ key }) => key));
    expect(found.map(({ similarity }) => similarity.toFixed(6))).toEqual(
      exact.map(({ similarity }) => similarity.toFixed(6)),
    );
    expect((await example.fetch(new Request("https://example.com/?key=notes.txt"), env)).status).toBe(404);
  });
});

describe("access", () => {
  let other: PicturesWorker | TestWorker | undefined;
  afterEach(async () => {
    await (other && "worker" in other ? other.worker : other)?.close();
    other = undefined;
  });

  test("needs a key if the Worker has keys", async () => {
    const key = "a-key-0123456789abcdef";
    other = await startPictures({ vars: { API_KEYS: key } });
    const { worker } = other;
    expect((await worker.get("/v1/pictures")).status).toBe(401);
    expect((await worker.get("/v1/pictures", { headers: { Authorization: `Bearer ${key}` } })).status).toBe(
      200,
    );
  });

  test("without the bindings is 404, with a reason", async () => {
    other = await TestWorker.start();
    for (const path of ["", "/labels", "/status", "/similar?key=a", "/thumbnail?key=a"]) {
      const { status, json } = await other.get(`/v1/pictures${path}`);
      expect([status, json.code]).toEqual([404, "not_configured"]);
      expect(json.bindings).toEqual(["PICTURES", "PICTURES_DB", "PICTURES_QUEUE"]);
      expect(json.detail).toContain("wrangler.toml");
    }
  });
});
