/** The built Worker with a bucket to label: real R2, D1 and Queues in workerd, with the tables of migrations/. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { vi } from "vitest";
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
  const worker = await TestWorker.start({ configPath: picturesConfig, ...options });
  const [pictures, database, queue] = await Promise.all([
    worker.binding<ObjectStore>("PICTURES"),
    worker.binding<Database>("PICTURES_DB"),
    worker.binding<Queue>("PICTURES_QUEUE"),
  ]);
  await migrate(database);
  return { worker, pictures, database, queue };
}

/** Creates the tables. */
export async function migrate(database: Database): Promise<void> {
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

/** Waits until the queue is empty. */
export async function untilQuiet({ worker }: PicturesWorker, timeoutMs = 60_000): Promise<void> {
  const waiting = async () => (await worker.get("/v1/pictures/status")).json.waiting;
  await vi.waitFor(
    async () => {
      if ((await waiting()) !== 0) throw new Error(`${await waiting()} messages wait`);
    },
    { timeout: timeoutMs, interval: 100 },
  );
}
