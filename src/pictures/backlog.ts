/** Finds what is to be labelled, and sends the messages. */
import type { PictureBucket, PictureQueue } from "./bindings.ts";
import { isCurrent, type Labeller } from "./labeller.ts";
import { type LabelRequest, labelMessage } from "./messages.ts";
import type { PictureStore, RowState } from "./picture-store.ts";
import { reach } from "./unavailable.ts";

/** Objects of one page of the bucket: the most that R2 lists at once. */
const pageObjects = 1000;
/** Messages that Queues accepts at once. */
const maxMessagesAtOnce = 100;

/** What a page of work did, and where the next page begins. */
export interface Page {
  /** Objects that were looked at. */
  readonly listed: number;
  /** Messages that were sent. */
  readonly enqueued: number;
  /** Last key of the page. Undefined after the last page. */
  readonly next: string | undefined;
}

/** What the pages read and write. */
export interface BacklogOptions {
  readonly bucket: PictureBucket;
  readonly store: PictureStore;
  readonly queue: PictureQueue;
  readonly labeller: Labeller;
}

/** Sends the messages of work that is missing. Every method throws ClassifierError pictures_unavailable. */
export class Backlog {
  readonly #options: BacklogOptions;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /**
   * Compares one page of the bucket with its rows. Sends a message for each object without a current row, and for each row
   * without an object. A page that is repeated sends only what is still missing.
   * @param after last key of the page before; "" for the first page
   * @param stale also send those that another model or head has labelled
   */
  async labelPage({
    prefix,
    after,
    stale,
  }: {
    prefix: string;
    after: string;
    stale: boolean;
  }): Promise<Page> {
    const { bucket, labeller } = this.#options;
    const live = stale ? await labeller.versions() : undefined;
    const start = after === "" ? {} : { startAfter: after };
    const { objects, truncated } = await reach("listing the bucket", () =>
      bucket.list({ prefix, ...start, limit: pageObjects }),
    );
    const next = truncated ? objects.at(-1)?.key : undefined;
    const rows = new Map<string, RowState>();
    for await (const row of this.#rowsBetween({ prefix, after, last: next })) rows.set(row.key, row);
    const requests: LabelRequest[] = [];
    for (const object of objects) {
      const { key } = object;
      const row = rows.get(key);
      rows.delete(key);
      if (labeller.isQuarantined(key)) continue;
      if (!isCurrent(row, object)) requests.push({ key });
      else if (live && labeller.isStale(row, live)) requests.push({ key, refresh: "stale" });
    }
    for (const key of rows.keys()) requests.push({ key });
    await this.send(requests.map(labelMessage));
    return { listed: objects.length, enqueued: requests.length, next };
  }

  /**
   * Sends messages that were given up and objects that could not be labelled, one page of each kind after the other.
   * @param after last key of the page before; "" for the first page
   */
  async retryPage(after: string): Promise<Page> {
    const { store } = this.#options;
    const dead = await store.deadLetters(maxMessagesAtOnce);
    if (dead.length > 0) {
      await this.send(dead.map(({ body }) => body));
      // Afterwards: if sending fails, the messages are still recorded.
      await store.forget(dead.map(({ id }) => id));
      return { listed: dead.length, enqueued: dead.length, next: after };
    }
    const keys = await store.failedKeys(after, pageObjects);
    await this.send(keys.map((key) => labelMessage({ key, refresh: "failed" })));
    const next = keys.length === pageObjects ? keys.at(-1) : undefined;
    return { listed: keys.length, enqueued: keys.length, next };
  }

  /** Sends messages. */
  async send(bodies: readonly unknown[]): Promise<void> {
    for (let from = 0; from < bodies.length; from += maxMessagesAtOnce) {
      const messages = bodies.slice(from, from + maxMessagesAtOnce).map((body) => ({ body }));
      await reach("sending messages to the queue", () => this.#options.queue.sendBatch(messages));
    }
  }

  async *#rowsBetween(range: Parameters<PictureStore["range"]>[0]): AsyncGenerator<RowState> {
    let { after } = range;
    for (;;) {
      const rows = await this.#options.store.range({ ...range, after }, pageObjects);
      yield* rows;
      if (rows.length < pageObjects) return;
      after = rows.at(-1)!.key;
    }
  }
}
