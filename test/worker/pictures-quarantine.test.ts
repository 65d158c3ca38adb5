/** Moves blocked pictures into quarantine, with uploads and failures at every step. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Faults } from "../support/pictures/faults.ts";
import {
  drain,
  eventOf,
  labelAll,
  type PicturesWorker,
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
  // Keeping unreadable objects lets `drain` use text objects. The last test changes it.
  const vars = {
    QUARANTINE: "quarantine/",
    QUARANTINE_LABELS: "Teapot, revolver",
    QUARANTINE_UNREADABLE: "keep",
  };
  [bench, teapot, ladybug] = await Promise.all([
    startPictures({ configPath: "test/support/pictures/faulty.toml", fromSource: true, vars }),
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
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const keys = async () => (await bench.pictures.list()).objects.map(({ key }) => key);
const rows = async () =>
  (await rowsOf(bench)).map(({ key, label, quarantined_from }) => [key, label, quarantined_from]);

/** Uploads an object and returns the key that its copy in quarantine gets. */
async function upload(key: string, bytes: Uint8Array, options: object = {}): Promise<string> {
  const { etag } = await bench.pictures.put(key, bytes, options);
  await bench.queue.send(eventOf(key));
  return `quarantine/${etag}/${key}`;
}

describe("a blocked picture", () => {
  test("moves with its bytes, its metadata and its row", async () => {
    const metadata = { httpMetadata: { contentType: "image/jpeg" }, customMetadata: { owner: "ann" } };
    const moved = await upload("uploads/a.jpg", teapot, metadata);
    await rowOf(bench, moved);
    await vi.waitFor(async () => expect(await keys()).toEqual([moved]));
    expect(await rows()).toEqual([[moved, "teapot", "uploads/a.jpg"]]);
    const copy = (await bench.pictures.get(moved))!;
    expect(Buffer.from(await copy.arrayBuffer()).equals(teapot)).toBe(true);
    expect(await bench.pictures.head(moved)).toMatchObject(metadata);
    const { json } = await bench.worker.get("/v1/pictures?prefix=quarantine/");
    expect(json.pictures).toMatchObject([{ key: moved, quarantined_from: "uploads/a.jpg" }]);
  });

  test("stays in quarantine: events about the copy and `label` do not touch it", async () => {
    const moved = await upload("a.jpg", teapot);
    await rowOf(bench, moved);
    await bench.queue.send(eventOf(moved));
    await drain(bench);
    expect(await labelAll(bench, { stale: true })).toBe(0);
    expect(await rows()).toEqual([[moved, "teapot", "a.jpg"]]);
  });

  test("that is deleted from quarantine leaves no row", async () => {
    const moved = await upload("a.jpg", teapot);
    await rowOf(bench, moved);
    await bench.pictures.delete(moved);
    await bench.queue.send(eventOf(moved, "DeleteObject"));
    await drain(bench);
    expect(await rows()).toEqual([]);
  });

  test("moves under a hash of its key if the key is too long for the prefix", async () => {
    const key = "x".repeat(1020);
    const { etag } = await bench.pictures.put(key, teapot);
    await bench.queue.send(eventOf(key));
    await vi.waitFor(async () => expect(await rows()).toHaveLength(1), 10_000);
    expect(await rows()).toEqual([
      [expect.stringMatching(`^quarantine/${etag}/[0-9a-f]{64}$`), "teapot", key],
    ]);
    await vi.waitFor(async () => expect(await keys()).not.toContain(key));
  });

  test("does not replace an earlier one of the same name", async () => {
    const first = await upload("a.jpg", teapot);
    await rowOf(bench, first);
    const second = await upload("a.jpg", new Uint8Array([...teapot, 0]));
    await rowOf(bench, second);
    await vi.waitFor(async () => expect(await keys()).toEqual([first, second].sort()));
  });

  test.each(["bucket.put", "bucket.head"] as const)(
    "that is replaced before the %s of its move does not take the new upload with it",
    async (before) => {
      const { etag } = await bench.pictures.put("probe", teapot);
      await bench.pictures.delete("probe");
      const moved = `quarantine/${etag}/a.jpg`;
      // The first head finds the object, the second one is the check before the delete.
      const [key, skip] = before === "bucket.put" ? [moved, 0] : ["a.jpg", 1];
      await setFaults({ interferences: [{ before, key, skip, target: "a.jpg", upload: base64(ladybug) }] });
      await upload("a.jpg", teapot);
      await vi.waitFor(async () => expect(await rows()).toContainEqual(["a.jpg", "ladybug", null]));
      expect(Buffer.from(await (await bench.pictures.get("a.jpg"))!.arrayBuffer()).equals(ladybug)).toBe(
        true,
      );
      expect(await rows()).toContainEqual([moved, "teapot", "a.jpg"]);
    },
  );

  test.each(["bucket.get", "bucket.put", "bucket.delete", "database.write"] as const)(
    "is moved once in the end, although the first call of %s fails",
    async (operation) => {
      await setFaults({ failing: 1, operations: [operation] });
      const moved = await upload("a.jpg", teapot);
      await vi.waitFor(async () => expect(await bench.worker.logs("queue_retry")).not.toEqual([]));
      await setFaults({});
      const once = async () => {
        expect(await keys()).toEqual([moved]);
        expect(await rows()).toEqual([[moved, "teapot", "a.jpg"]]);
      };
      await vi.waitFor(once, { timeout: 20_000, interval: 200 });
    },
  );
});

test("an allowed picture stays", async () => {
  await upload("a.jpg", ladybug);
  await rowOf(bench, "a.jpg");
  expect(await keys()).toEqual(["a.jpg"]);
});

test("what cannot be classified stays with `keep`, and moves by default", async () => {
  await upload("x.jpg", new TextEncoder().encode("text"));
  expect((await rowOf(bench, "x.jpg")).code).toBe("unsupported_image");
  expect(await keys()).toEqual(["x.jpg"]);
  await bench.worker.restart({ QUARANTINE_UNREADABLE: "quarantine" });
  bench = await restartPictures(bench);
  const moved = await upload("y.jpg", new TextEncoder().encode("other text"));
  expect(await rowOf(bench, moved)).toMatchObject({ code: "unsupported_image", quarantined_from: "y.jpg" });
  await vi.waitFor(async () => expect(await keys()).toEqual([moved, "x.jpg"]));
});
