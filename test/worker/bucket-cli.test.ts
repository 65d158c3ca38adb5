/** Runs `npm run bucket` against the built Worker with a bucket, a database and a queue. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withLocalBucket } from "../../cli/store/local-bucket.ts";
import { drain, labelAll, type PicturesWorker, startPictures } from "../support/pictures/pictures-worker.ts";
import { runProgram } from "../support/run-program.ts";
import { exampleImage } from "../support/worker.ts";

let bench: PicturesWorker;
let folder: string;
const formula = "=1+1.jpg";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-bucket-"));
  bench = await startPictures({ vars: { KEEP_FEATURES: "true" } });
  await bench.pictures.put("a/teapot.jpg", await exampleImage("teapot"));
  await bench.pictures.put(formula, await exampleImage("ladybug"));
  await bench.pictures.put("notes.txt", "text");
});
afterAll(async () => {
  await bench?.worker.close();
  await rm(folder, { recursive: true, force: true });
});

const bucket = (...args: string[]) => runProgram("bucket", [...args, "--worker", bench.worker.url.origin]);

test("label enqueues what has no label, and waits; a second run enqueues nothing", async () => {
  const first = await bucket("label", "--wait");
  expect(first.stdout).toContain("3 objects compared, 3 enqueued");
  expect(first.stdout).toMatch(/failed with unsupported_image +1\n/);
  const again = await bucket("label", "--json");
  expect(JSON.parse(again.stdout)).toEqual({ listed: 3, enqueued: 0 });
});

test("status shows the progress and the cost", async () => {
  const { stdout } = await bucket("status", "--json");
  const status = JSON.parse(stdout);
  expect(status).toMatchObject({ pictures: 3, current: 2, failed: 1, waiting: 0, pictures_per_second: 0 });
  expect(status.costs[0]).toMatchObject({ what: "CPU ms", billed: 0 });
  const text = await bucket("status");
  expect(text.stdout).toMatch(/objects with a row +3\n/);
  expect(text.stdout).toMatch(/estimated cost so far/);
});

test("retry enqueues failures", async () => {
  expect((await bucket("retry")).stdout).toBe("1 enqueued\n");
  await drain(bench);
});

describe("export", () => {
  const file = (name: string) => path.join(folder, name);

  test("writes CSV that no spreadsheet runs", async () => {
    expect((await bucket("export", "--output", file("a.csv"))).stdout).toContain("3 pictures written");
    const lines = (await readFile(file("a.csv"), "utf8")).trim().split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^key,etag,uploaded,labelled_at,stale,sha256,/);
    expect(lines[1]).toMatch(/^'=1\+1\.jpg,/);
    expect(await readdir(folder)).toEqual(["a.csv"]);
  });

  test("writes NDJSON as the API answers", async () => {
    await bucket("export", "--format", "ndjson", "--output", file("a.ndjson"));
    const lines = (await readFile(file("a.ndjson"), "utf8")).trim().split("\n");
    const { pictures } = (await bench.worker.get("/v1/pictures")).json as { pictures: unknown[] };
    expect(lines.map((line) => JSON.parse(line))).toEqual(pictures);
  });

  test("writes Parquet with typed columns and features", async () => {
    await bucket("export", "--format", "parquet", "--features", "--output", file("a.parquet"));
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(file("a.parquet")) });
    expect(rows.map(({ key }) => key)).toEqual([formula, "a/teapot.jpg", "notes.txt"]);
    const [, teapot, notes] = rows;
    expect(teapot).toMatchObject({ label: "teapot", width: 1200, height: 900, stale: false, code: null });
    expect(teapot!.uploaded).toBeInstanceOf(Date);
    const { pictures } = (await bench.worker.get("/v1/pictures?key=a/teapot.jpg&include=features")).json as {
      pictures: { features: string }[];
    };
    const bytes = Buffer.from(pictures[0]!.features, "base64");
    const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    expect(teapot!.features).toEqual([...floats]);
    expect(notes).toMatchObject({ label: null, code: "unsupported_image" });
    expect(notes!.features ?? null).toBeNull();
  });

  test("selects by label, and leaves no file if it fails", async () => {
    await bucket("export", "--output", file("b.csv"), "--label", "teapot");
    expect((await readFile(file("b.csv"), "utf8")).trim().split("\n")).toHaveLength(2);
    const failed = await runProgram("bucket", [
      "export",
      "--output",
      file("c.csv"),
      "--worker",
      "http://127.0.0.1:9",
    ]);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("does not answer")]);
    expect(await readdir(folder)).not.toContain("c.csv");
  });
});

test("import puts the files of a folder into the local bucket, and sends their events", async () => {
  const photos = path.join(folder, "photos");
  await mkdir(path.join(photos, "sub"), { recursive: true });
  await writeFile(path.join(photos, "sub", "a b.jpg"), await exampleImage("teapot"));
  const persistTo = path.join(folder, "state");
  const { stdout } = await bucket("import", photos, "--prefix", "new/", "--persist-to", persistTo);
  expect(stdout).toContain("1 files copied and enqueued");
  const keys = await withLocalBucket(async (local) => (await local.list({})).objects.map(({ key }) => key), {
    ...{ bucket: "edge-resnet-pictures", persistTo },
  });
  expect(keys).toEqual(["new/sub/a b.jpg"]);
  // The Worker of this test has another bucket, in which the object of the event does not exist.
  await drain(bench);
  expect(await labelAll(bench)).toBe(0);
});

test("says what is wrong: no Worker, no bucket, no key", async () => {
  const silent = await runProgram("bucket", ["label"], { EDGE_RESNET_KEY: undefined });
  expect(silent.stderr).toMatch(/localhost:8787 does not answer: .*npm start -- --pictures DIR/);
  const remote = await runProgram("bucket", ["label", "--remote"]);
  expect(remote.stderr).toContain("--worker https://NAME.SUBDOMAIN.workers.dev");
  const http = await runProgram("bucket", ["label", "--worker", "http://example.com"]);
  expect(http.stderr).toContain("expected an address like https://");
});
