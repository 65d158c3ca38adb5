/** The built Worker with a bucket to label: real R2, D1 and Queues in workerd, with the tables of migrations/. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { projectFolder } from "../../../cli/store/project.ts";
import { TestWorker } from "../worker.ts";

/** Configuration with the bindings. */
export const picturesConfig = "test/support/pictures/wrangler.toml";

/** The bucket whose objects are labelled, as tests use it. */
export interface ObjectStore {
  put(key: string, value: Uint8Array | string, options?: object): Promise<{ etag: string }>;
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer>; etag: string } | null>;
  head(key: string): Promise<{ key: string; etag: string; uploaded: Date } | null>;
  delete(key: string | string[]): Promise<void>;
  list(options?: object): Promise<{ objects: { key: string; etag: string; uploaded: Date }[] }>;
}

/** The database, as tests use it. */
export interface Database {
  prepare(sql: string): {
    bind(...values: unknown[]): ReturnType<Database["prepare"]>;
    all<Row>(): Promise<{ results: Row[]; meta: { rows_read: number; rows_written: number } }>;
  };
}

/** The queue, as tests use it. */
export interface Queue {
  send(body: unknown): Promise<unknown>;
  sendBatch(messages: { body: unknown }[]): Promise<unknown>;
  metrics(): Promise<{ backlogCount: number }>;
}

/** A Worker with its bucket, its database and its queue. */
export interface PicturesWorker {
  readonly worker: TestWorker;
  readonly pictures: ObjectStore;
  readonly database: Database;
  readonly queue: Queue;
}

/** Starts a Worker with an empty bucket. */
export async function startPictures(
  options: Parameters<typeof TestWorker.start>[0] = {},
): Promise<PicturesWorker> {
  const bench = await bindingsOf(await TestWorker.start({ configPath: picturesConfig, ...options }));
  await migrate(bench.database);
  return bench;
}

/** Starts a new process of the same Worker. Its queue is empty. The bindings of the old one cannot be used any more. */
export async function restartPictures({ worker }: PicturesWorker): Promise<PicturesWorker> {
  await worker.restart();
  return bindingsOf(worker);
}

async function bindingsOf(worker: TestWorker): Promise<PicturesWorker> {
  const [pictures, database, queue] = await Promise.all([
    worker.binding<ObjectStore>("PICTURES"),
    worker.binding<Database>("PICTURES_DB"),
    worker.binding<Queue>("PICTURES_QUEUE"),
  ]);
  return { worker, pictures, database, queue };
}

/** Creates the tables. */
async function migrate(database: Database): Promise<void> {
  const folder = path.join(projectFolder, "migrations");
  for (const file of (await readdir(folder)).sort()) {
    const sql = (await readFile(path.join(folder, file), "utf8")).replaceAll(/--.*$/gm, "");
    for (const statement of sql.split(";").filter((text) => text.trim() !== "")) {
      await database.prepare(statement).all();
    }
  }
}

/** Returns the notification that R2 sends about an object. */
export function eventOf(key: string, action = "PutObject") {
  const object = action === "DeleteObject" ? { key } : { key, size: 1, eTag: "0" };
  return {
    account: "a",
    action,
    bucket: "edge-resnet-pictures",
    object,
    eventTime: new Date().toISOString(),
  };
}

/** A row of the database, as tests compare it. */
export interface Row {
  readonly key: string;
  readonly etag: string;
  readonly uploaded: number;
  readonly label: string | null;
  readonly score: number | null;
  readonly code: string | null;
  readonly model: string | null;
  readonly head: string;
  readonly quarantined_from: string | null;
}

/** Returns all rows, by key. */
export async function rowsOf({ database }: PicturesWorker, where = "1 = 1"): Promise<Row[]> {
  return (await database.prepare(`SELECT * FROM pictures WHERE ${where} ORDER BY key`).all<Row>()).results;
}

/** Waits for the row of a key for which `isDone` holds. */
export async function rowOf(
  { database }: PicturesWorker,
  key: string,
  isDone: (row: Row) => boolean = () => true,
  timeoutMs = 30_000,
): Promise<Row> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = database.prepare("SELECT * FROM pictures WHERE key = ?").bind(key).all<Row>();
    const [row] = (await found).results;
    if (row && isDone(row)) return row;
    if (Date.now() > deadline) throw new Error(`${key} has the row ${JSON.stringify(row)}`);
    await sleep(50);
  }
}

/** Objects that `drain` has written. */
let sentinels = 0;

/**
 * Waits until the messages that were sent before have been handled, retries not counted. The local queue delivers one batch
 * after the other, so a message that is sent after the first one was handled is in a later batch.
 */
export async function drain(bench: PicturesWorker): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const key = `sentinel/${sentinels++}`;
    await bench.pictures.put(key, "text");
    await bench.queue.send(eventOf(key));
    await rowOf(bench, key, undefined, 60_000);
    await bench.pictures.delete(key);
    await bench.database.prepare("DELETE FROM pictures WHERE key = ?").bind(key).all();
  }
}

/** Compares every row with its object. Returns the differences. */
export async function differences(
  bench: PicturesWorker,
  isRight: (row: Row, object: { key: string; etag: string }) => boolean = () => true,
): Promise<string[]> {
  const { objects } = await bench.pictures.list();
  const rows = new Map((await rowsOf(bench)).map((row) => [row.key, row]));
  const wrong = objects.flatMap((object) => {
    const row = rows.get(object.key);
    rows.delete(object.key);
    if (!row) return [`${object.key} has no row`];
    const isSame = row.etag === object.etag && row.uploaded === object.uploaded.getTime();
    return isSame && isRight(row, object)
      ? []
      : [
          `${object.key}, ${object.etag} of ${object.uploaded.getTime()}, has the row ${row.label ?? row.code}, ${row.etag} of ${row.uploaded}`,
        ];
  });
  return [...wrong, ...[...rows.keys()].map((key) => `${key} has a row and no object`)];
}

/** Calls POST /v1/pictures/label page by page. Returns how many messages it sent. */
export async function labelAll({ worker }: PicturesWorker, request: object = {}): Promise<number> {
  let enqueued = 0;
  for (let cursor: string | undefined; ; ) {
    const body = JSON.stringify({ ...request, ...(cursor && { cursor }) });
    const { status, json, text } = await worker.get("/v1/pictures/label", { method: "POST", body });
    if (status !== 200) throw new Error(`POST /v1/pictures/label answers ${text}`);
    enqueued += json.enqueued as number;
    if (json.cursor === null) return enqueued;
    cursor = json.cursor as string;
  }
}
