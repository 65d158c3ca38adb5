/**
 * The heads of this isolate: which head is live on which version of the model, and the decoded heads in use.
 *
 * A request that finds a head's current.json older than `refreshMs` triggers a background read of it. A new head is
 * decoded before it replaces the old one; if that fails, the old one stays. A failed first read is not kept: the next
 * request tries again.
 */
import type { JsonLimits } from "../bytes/bounded-json.ts";
import { freeBytes } from "../bytes/byte-arrays.ts";
import { Lru } from "../cache/lru.ts";
import { RunQueue, SingleFlight, StalledError, type WaitUntil } from "../concurrency/shared-work.ts";
import { ClassifierError } from "../errors.ts";
import { maxHeadMemoryBytes, maxModelJsonBytes, modelLoadStallMs, retryAfterSeconds } from "../limits.ts";
import { FileError, invalidFile, parseFile } from "../model/json-file.ts";
import { headsFolder, type Manifest } from "../model/manifest.ts";
import { stallsAreUnavailable } from "../model/model-host.ts";
import type { Pack } from "../model/pack.ts";
import { modelUnavailable } from "../model/unavailable.ts";
import type { PackSource } from "../storage/bucket-source.ts";
import { type Head, parseHead } from "./head.ts";
import {
  type Backbone,
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headCurrentKey,
  headCurrentSchema,
  headKey,
  headOfCurrentKey,
  type LiveMetadata,
  liveOn,
  readHeadMetadata,
} from "./live-heads.ts";

/** Heads whose current.json an isolate keeps, at most about 4 KB each. */
const defaultMaxKnown = 256;
/** Names of heads that an isolate keeps: one page of an R2 list, at most 64 characters each. */
const maxListedNames = 1000;
/** Heads that a listing describes. */
export const maxDescribedHeads = 1000;
/** Heads of a listing whose current.json is read, because it has no metadata. */
const maxReadHeads = 100;
/** Pages of up to 1,000 objects that a listing reads. Each version of a head is an object. */
const maxListedPages = 20;
/** Reads of a listing at a time: the connections that a request may have open. */
const readsAtOnce = 6;
/** Retry-After for a head without a version for the live model, and how often such requests read current.json. */
const mismatchRetrySeconds = 2;
/** The entries of current.json, at their maximum numbers, have about 15 brackets, commas and colons each. */
const currentLimits: JsonLimits = { maxDepth: 16, maxStructure: 20_000 };
/** V8's cost of one head besides its numbers: a Map slot, objects, typed arrays. */
const headOverheadBytes = 2_000;
/** V8's cost of one label besides its characters: an object, two strings, a bias. */
const labelOverheadBytes = 100;

/** The method of an R2 bucket binding that lists the heads. */
export interface ListableBucket {
  list(options: ListOptions & { prefix: string }): Promise<ListedPage>;
}

interface ListOptions {
  delimiter?: string;
  limit?: number;
  cursor?: string;
  include?: "customMetadata"[];
}

interface ListedPage {
  readonly objects: readonly {
    readonly key: string;
    readonly customMetadata?: Readonly<Record<string, string>>;
  }[];
  readonly truncated: boolean;
  readonly cursor?: string;
  readonly delimitedPrefixes: readonly string[];
}

/** Where heads come from, and how many are kept. */
export interface HeadStoreOptions {
  readonly source: PackSource;
  readonly bucket: ListableBucket;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  readonly waitUntil: WaitUntil;
  /** Age, in milliseconds, after which a request triggers a background check of what is live. */
  readonly refreshMs: number;
  /** Milliseconds without progress after which a read counts as abandoned. Default: 10,000. */
  readonly stallMs?: number;
  /** Bytes of decoded heads. Default: 3 MiB. */
  readonly maxBytes?: number;
  /** Heads whose current.json is kept. Default: 256. */
  readonly maxKnown?: number;
  readonly now?: () => number;
}

/** What is live of one head. */
interface Known extends Pick<HeadCurrent, "name" | "live"> {
  checkedMs: number;
  /** The version of the model that had no head at the last read, and the time of that read. */
  missing?: { readonly backbone: string; readonly atMs: number };
}

/** The heads in the bucket. `truncated`: there are more than these. */
interface Listed {
  readonly names: ReadonlySet<string>;
  readonly truncated: boolean;
  readonly atMs: number;
}

/** A head that is live on one version of a model. */
export interface LiveHead {
  readonly name: string;
  readonly version: string;
  readonly backbone: Backbone;
}

/** The live heads of the bucket, by name. `truncated`: there are more heads than these. */
export interface HeadListing {
  readonly heads: readonly LiveHead[];
  readonly truncated: boolean;
}

/** Finds heads and keeps them. One per isolate. */
export class HeadStore {
  readonly #options: HeadStoreOptions;
  readonly #now: () => number;
  readonly #known: Lru<Known>;
  readonly #decoded: Lru<Head>;
  #listed: Listed | undefined;
  #lists = 0;
  #described: (HeadListing & { readonly atMs: number }) | undefined;
  readonly #currentFlight: SingleFlight<Known>;
  readonly #headFlight: SingleFlight<Head>;
  readonly #listFlight: SingleFlight<Listed>;
  readonly #describeFlight: SingleFlight<HeadListing>;
  /** Heads are read one at a time, because reading one takes several times its size. */
  readonly #queue: RunQueue;

  constructor(options: HeadStoreOptions) {
    const stallMs = options.stallMs ?? modelLoadStallMs;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#known = new Lru(options.maxKnown ?? defaultMaxKnown);
    this.#decoded = new Lru(options.maxBytes ?? maxHeadMemoryBytes);
    const flights = { stallMs, waitUntil: options.waitUntil, now: this.#now };
    this.#currentFlight = new SingleFlight(flights);
    this.#headFlight = new SingleFlight(flights);
    this.#listFlight = new SingleFlight(flights);
    this.#describeFlight = new SingleFlight(flights);
    // Half of it: a read behind an abandoned one must get its turn before it counts as abandoned itself.
    this.#queue = new RunQueue(stallMs / 2, this.#now);
  }

  /** What is held, for tests and logs: known heads, decoded heads and their bytes. `lists`: R2 Class A operations. */
  get usage(): { known: number; decoded: number; bytes: number; lists: number } {
    const { size: decoded, weight: bytes } = this.#decoded;
    return { known: this.#known.size, decoded, bytes, lists: this.#lists };
  }

  /**
   * Returns the head that is live on the pack whose features it will score.
   * @param name checked by packNameSchema
   * @throws ClassifierError unknown_head, head_mismatch, head_unavailable
   */
  async head(name: string, { manifest }: Pack): Promise<Head> {
    try {
      return await this.#find(name, manifest);
    } catch (error) {
      throw asHeadError(name, error);
    }
  }

  /**
   * Returns the live heads, one for each head and version of a model. They are at most `refreshMs` old. Leaves out a head
   * whose current.json is damaged, and logs it.
   * @throws ClassifierError model_unavailable, when the bucket fails
   */
  async live(): Promise<HeadListing> {
    if (this.#described && this.#isFresh(this.#described)) return this.#described;
    const described = this.#describeFlight.run("live", ({ progress }) => this.#describe(progress));
    return (await stallsAreUnavailable("listing the heads", described)).value;
  }

  async #describe(progress: () => void): Promise<HeadListing> {
    const atMs = this.#now();
    const { found, truncated } = await this.#listMetadata(progress);
    const unread = [...found].flatMap(([name, live]) => (live ? [] : [name]));
    for (let i = 0; i < Math.min(unread.length, maxReadHeads); i += readsAtOnce) {
      progress();
      const names = unread.slice(i, Math.min(i + readsAtOnce, maxReadHeads));
      await Promise.all(names.map(async (name) => found.set(name, await this.#liveOf(name))));
    }
    const heads = [...found].flatMap(([name, live = []]) =>
      live.map(({ version, backbone }) => ({ name, version, backbone })),
    );
    this.#described = { heads, truncated: truncated || unread.length > maxReadHeads, atMs };
    return this.#described;
  }

  /** Lists the first heads with what is live of each. Undefined: the metadata of its current.json does not tell. */
  async #listMetadata(progress: () => void) {
    const found = new Map<string, LiveMetadata | undefined>();
    const options: ListOptions = { include: ["customMetadata"] };
    for (let page = 0; page < maxListedPages; page++) {
      progress();
      const { objects, truncated, cursor } = await this.#listPage(options);
      for (const { key, customMetadata } of objects) {
        const name = headOfCurrentKey(key);
        if (name === undefined) continue;
        if (found.size === maxDescribedHeads) return { found, truncated: true };
        found.set(name, readHeadMetadata(customMetadata));
      }
      if (!truncated || cursor === undefined) return { found, truncated };
      options.cursor = cursor;
    }
    return { found, truncated: true };
  }

  async #listPage(options: ListOptions): Promise<ListedPage> {
    this.#lists++;
    try {
      return await this.#options.bucket.list({ prefix: `${headsFolder}/`, ...options });
    } catch (cause) {
      throw modelUnavailable("listing the heads in the bucket failed", cause);
    }
  }

  async #liveOf(name: string): Promise<LiveMetadata> {
    try {
      return [...((await this.#readLive(name))?.live ?? [])];
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#options.log({ event: "head_unreadable", head: name, reason: error.message });
      return [];
    }
  }

  async #find(name: string, manifest: Manifest): Promise<Head> {
    const known = this.#known.get(name);
    if (known) this.#refreshWhenDue(known, manifest);
    let current = known ?? (await this.#readCurrent(name));
    let entry = liveOn(current, manifest);
    if (!entry && this.#mayReadAgain(current, manifest)) {
      // The model has changed since the last read. Its head was pushed before it, so current.json now has it.
      current = await this.#readCurrent(name);
      entry = liveOn(current, manifest);
      if (!entry) current.missing = { backbone: backboneText(manifest), atMs: this.#now() };
    }
    if (!entry) throw headMismatch(current, manifest);
    try {
      return await this.#load(name, entry, manifest);
    } catch (error) {
      if (this.#known.get(name) === current) this.#known.delete(name);
      throw error;
    }
  }

  /** Allows one read for each version of the model, and then one per retry interval. */
  #mayReadAgain({ missing }: Known, backbone: Backbone): boolean {
    if (missing?.backbone !== backboneText(backbone)) return true;
    return this.#now() - missing.atMs >= 1000 * mismatchRetrySeconds;
  }

  async #readCurrent(name: string): Promise<Known> {
    if (!(await this.#mayExist(name))) throw unknownHead(name);
    const { value } = await this.#currentFlight.run(name, async ({ signal }) => {
      const current = await this.#readLive(name);
      if (!current) {
        this.#known.delete(name);
        throw unknownHead(name);
      }
      const known = { ...current, checkedMs: this.#now() };
      if (!signal.aborted) this.#known.put(name, known);
      return known;
    });
    return value;
  }

  /**
   * Whether the bucket may have this head. One list per `refreshMs` answers that for all names, so unknown names cost
   * neither a read nor memory each. If there are more heads than a list returns, only a read can tell.
   */
  async #mayExist(name: string): Promise<boolean> {
    const listed = await this.#names();
    return listed.truncated || listed.names.has(name);
  }

  async #names(): Promise<Listed> {
    if (this.#listed && this.#isFresh(this.#listed)) return this.#listed;
    return (await this.#listFlight.run("list", () => this.#list())).value;
  }

  #isFresh({ atMs }: { readonly atMs: number }): boolean {
    return this.#now() - atMs < this.#options.refreshMs;
  }

  async #list(): Promise<Listed> {
    const atMs = this.#now();
    const { delimitedPrefixes, truncated } = await this.#listPage({ delimiter: "/", limit: maxListedNames });
    const names = new Set(delimitedPrefixes.map((folder) => folder.slice(headsFolder.length + 1, -1)));
    this.#listed = { names, truncated, atMs };
    return this.#listed;
  }

  /** Reads current.json, or returns undefined if it does not exist. */
  async #readLive(name: string): Promise<Pick<HeadCurrent, "name" | "live"> | undefined> {
    const key = headCurrentKey(name);
    const bytes = await this.#options.source.readIfThere(key, maxModelJsonBytes);
    if (!bytes) return undefined;
    const current = parseFile(key, bytes, headCurrentSchema, currentLimits);
    if (current.name !== name) throw invalidFile(key, `it names the head ${current.name}`);
    return { name, live: current.live };
  }

  async #load(name: string, entry: HeadEntry, manifest: Manifest): Promise<Head> {
    const key = headKey(name, entry.version);
    const decoded = this.#decoded.get(key);
    if (decoded) return decoded;
    const { value } = await this.#headFlight.run(key, ({ progress }) =>
      this.#queue.run(() => {
        progress();
        return this.#readHead(key, name, entry, manifest);
      }),
    );
    return value;
  }

  async #readHead(key: string, name: string, entry: HeadEntry, manifest: Manifest): Promise<Head> {
    const startedMs = this.#now();
    const { version, bytes } = entry;
    const content = await this.#options.source.readChecked(key, entry);
    const parsed = await parseHead(content, key);
    freeBytes(content);
    checkIsEntry(key, parsed, name, entry, manifest);
    const head = withoutText(parsed);
    this.#decoded.put(key, head, headBytes(head));
    const model = backboneText(entry.backbone);
    const facts = { event: "head_loaded", head: name, version, model, classes: head.file.labels.length };
    this.#options.log({ ...facts, bytes, ms: this.#now() - startedMs });
    return head;
  }

  #refreshWhenDue(known: Known, manifest: Manifest): void {
    const nowMs = this.#now();
    if (nowMs - known.checkedMs < this.#options.refreshMs) return;
    // Set before the check, so that only one request starts it.
    known.checkedMs = nowMs;
    const refresh = this.#refresh(known, manifest).catch((error: unknown) => {
      const cause = asHeadError(known.name, error);
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#options.log({ event: "head_refresh_failed", head: known.name, reason });
    });
    this.#options.waitUntil(refresh);
  }

  async #refresh(known: Known, manifest: Manifest): Promise<void> {
    const { name } = known;
    const current = await this.#readLive(name);
    // If a request has read it in the meantime, that result is newer.
    if (this.#known.get(name) !== known) return;
    if (!current) {
      this.#known.delete(name);
      return;
    }
    const entry = liveOn(current, manifest);
    if (entry) await this.#load(name, entry, manifest);
    if (this.#known.get(name) === known) this.#known.put(name, { ...current, checkedMs: known.checkedMs });
  }
}

/**
 * Checks what a head file says of itself against its key and the model that it will score.
 * @throws FileError
 */
function checkIsEntry(key: string, { file }: Head, name: string, entry: HeadEntry, manifest: Manifest): void {
  const actual = `${file.name} ${file.version} for ${backboneText(file.backbone)}`;
  const expected = `${name} ${entry.version} for ${backboneText(entry.backbone)}`;
  if (actual !== expected) throw invalidFile(key, `it is ${actual}; expected ${expected}`);
  if (file.feature_size !== manifest.feature_size) {
    throw invalidFile(
      key,
      `it takes ${file.feature_size} features; the model gives ${manifest.feature_size}; train it again`,
    );
  }
  const logits = file.unknown?.backbone_classes ?? manifest.classes;
  if (logits !== manifest.classes) {
    throw invalidFile(key, `it takes ${logits} logits; the model gives ${manifest.classes}; train it again`);
  }
}

/** Drops the base64 text of the matrices, which is larger than the matrices, and the record of the training. */
function withoutText({ file, weights, centroids }: Head): Head {
  const unknown = file.unknown && { ...file.unknown, centroids: "" };
  return { file: { ...file, weights: "", unknown, training: {} }, weights, centroids };
}

/** Bytes of a decoded head in memory. */
function headBytes({ file, weights, centroids }: Head): number {
  const text = file.labels.reduce((sum, { id, label }) => sum + id.length + label.length, 0);
  const numbers = weights.byteLength + (centroids?.byteLength ?? 0);
  return numbers + 2 * text + labelOverheadBytes * file.labels.length + headOverheadBytes;
}

function unknownHead(head: string): ClassifierError {
  return new ClassifierError({ code: "unknown_head", head });
}

function headMismatch({ name, live }: Known, backbone: Backbone): ClassifierError {
  return new ClassifierError({
    code: "head_mismatch",
    head: name,
    backbones: live.map((entry) => backboneText(entry.backbone)),
    live: backboneText(backbone),
    retryAfterSeconds: mismatchRetrySeconds,
  });
}

/** Builds the retryable `head_unavailable` error (503). */
export function headUnavailable(head: string, detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "head_unavailable", head, detail, retryAfterSeconds }, { cause });
}

/** Turns the errors of reading a head into `head_unavailable`. Returns other errors unchanged. */
function asHeadError(head: string, error: unknown): unknown {
  if (error instanceof FileError) {
    return headUnavailable(head, `${error.message}; push the head again`, error.cause);
  }
  if (error instanceof StalledError) return headUnavailable(head, `reading it made ${error.message}`, error);
  if (error instanceof ClassifierError && error.reason.code === "model_unavailable") {
    return headUnavailable(head, error.reason.detail, error.cause);
  }
  return error;
}
