/**
 * The heads of this isolate: which is live on which version of the model, and those in use, decoded. What is live is
 * read again at most once in `refreshMs` a head, behind a request's back, and a head that has gone live is decoded before
 * it takes the place of the one before; where that fails, the one before stays. A first read that fails is forgotten: the
 * next request tries again.
 */
import { JsonError, type JsonLimits, parseJson } from "../bytes/bounded-json.ts";
import { freeBytes } from "../bytes/free-bytes.ts";
import { Lru } from "../cache/lru.ts";
import { RunQueue } from "../concurrency/run-queue.ts";
import { type Lead, SingleFlight, type WaitUntil } from "../concurrency/single-flight.ts";
import {
  headMismatchRetrySeconds,
  maxHeadMemoryBytes,
  maxKnownHeads,
  maxModelJsonBytes,
  modelLoadStallMs,
} from "../limits.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Pack } from "../model/pack.ts";
import type { PackSource } from "../storage/bucket-source.ts";
import { DecodedHeads } from "./decoded-heads.ts";
import { type Head, HeadFormatError, parseHead } from "./head.ts";
import { HeadNames, type ListableBucket } from "./head-names.ts";
import {
  type Backbone,
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headCurrentKey,
  headCurrentSchema,
  headKey,
  liveOn,
} from "./live-heads.ts";
import { asHeadError, headMismatch, headUnavailable, unknownHead } from "./unavailable.ts";

export interface HeadStoreOptions {
  readonly source: PackSource;
  readonly bucket: ListableBucket;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  readonly waitUntil: WaitUntil;
  /** Milliseconds after which a request has the bucket asked, behind its back, what is live. */
  readonly refreshMs: number;
  /** Milliseconds without progress after which a read counts as abandoned. */
  readonly stallMs?: number;
  readonly maxBytes?: number;
  readonly maxKnown?: number;
  readonly now?: () => number;
}

/** What is live of one head. */
interface Known extends Pick<HeadCurrent, "name" | "live"> {
  checkedMs: number;
  /** A version of the model that had no head when the bucket was last asked, and when that was. */
  missing?: { readonly backbone: string; readonly atMs: number };
}

export class HeadStore {
  readonly #options: HeadStoreOptions;
  readonly #now: () => number;
  readonly #names: HeadNames;
  readonly #decoded: DecodedHeads;
  readonly #known: Lru<Known>;
  readonly #currentFlight: SingleFlight<Known>;
  readonly #headFlight: SingleFlight<Head>;
  readonly #listFlight: SingleFlight<void>;
  /** One head is read at a time: reading takes several times its size. */
  readonly #queue: RunQueue;

  constructor(options: HeadStoreOptions) {
    const stallMs = options.stallMs ?? modelLoadStallMs;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#names = new HeadNames(options.bucket, options.refreshMs, this.#now);
    this.#known = new Lru(options.maxKnown ?? maxKnownHeads);
    this.#decoded = new DecodedHeads(options.maxBytes ?? maxHeadMemoryBytes);
    const flights = { stallMs, waitUntil: options.waitUntil, now: this.#now };
    this.#currentFlight = new SingleFlight(flights);
    this.#headFlight = new SingleFlight(flights);
    this.#listFlight = new SingleFlight(flights);
    // Half: who waits for one that is gone must get its turn before it counts as gone itself.
    this.#queue = new RunQueue(stallMs / 2, this.#now);
  }

  /** What is held, for tests and logs: names with what is live, decoded heads and their bytes, lists of the bucket. */
  get usage(): { known: number; decoded: number; bytes: number; lists: number } {
    const { size: decoded, bytes } = this.#decoded;
    return { known: this.#known.size, decoded, bytes, lists: this.#names.lists };
  }

  /**
   * The head that is live on the very pack whose features are to be scored.
   * Rejects with unknown_head, head_mismatch, head_unavailable.
   * @param name checked by packNameSchema
   */
  async head(name: string, { manifest }: Pack): Promise<Head> {
    const known = this.#known.get(name);
    if (known) this.#refreshWhenDue(known, manifest);
    let current = known ?? (await this.#readCurrent(name));
    let entry = liveOn(current, manifest);
    if (!entry && this.#mayAskAgain(current, manifest)) {
      // The model has changed since: its head was pushed before it, and after what is known here was read.
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

  /** Once for each version of the model, and then not more often than its callers are told to try again. */
  #mayAskAgain({ missing }: Known, backbone: Backbone): boolean {
    if (missing?.backbone !== backboneText(backbone)) return true;
    return this.#now() - missing.atMs >= 1000 * headMismatchRetrySeconds;
  }

  async #readCurrent(name: string): Promise<Known> {
    try {
      if (this.#names.mayExist(name) === undefined) {
        await this.#listFlight.run("list", () => this.#names.list());
      }
    } catch (error) {
      throw headUnavailable(name, "listing the heads in the bucket failed", error);
    }
    if (this.#names.mayExist(name) === false) throw unknownHead(name);
    try {
      const read = (lead: Lead) => this.#fetchCurrent(name, lead);
      return (await this.#currentFlight.run(name, read)).value;
    } catch (error) {
      throw asHeadError(name, `reading ${headCurrentKey(name)}`, error);
    }
  }

  async #fetchCurrent(name: string, { signal }: Pick<Lead, "signal">): Promise<Known> {
    const key = headCurrentKey(name);
    const bytes = await this.#options.source.readIfThere(key, maxModelJsonBytes);
    if (!bytes) {
      this.#known.delete(name);
      throw unknownHead(name);
    }
    const known = { ...parseCurrent(name, bytes), checkedMs: this.#now() };
    if (!signal.aborted) this.#known.put(name, known);
    return known;
  }

  async #load(name: string, entry: HeadEntry, manifest: Manifest): Promise<Head> {
    const key = headKey(name, entry.version);
    const decoded = this.#decoded.get(key);
    if (decoded) return decoded;
    try {
      const read = (lead: Lead) =>
        this.#queue.run(() => {
          lead.progress();
          return this.#readHead(key, name, entry, manifest);
        });
      return (await this.#headFlight.run(key, read)).value;
    } catch (error) {
      throw asHeadError(name, key, error);
    }
  }

  async #readHead(key: string, name: string, entry: HeadEntry, manifest: Manifest): Promise<Head> {
    const startedMs = this.#now();
    const { version, bytes } = entry;
    const content = await this.#options.source.readChecked(key, entry);
    const head = await parseHead(content);
    freeBytes(content);
    checkIsEntry(head, name, entry, manifest);
    const kept = this.#decoded.put(key, head);
    const model = backboneText(entry.backbone);
    this.#options.log({
      ...{ event: "head_loaded", head: name, version, model, classes: head.file.labels.length, bytes },
      ms: this.#now() - startedMs,
    });
    return kept;
  }

  #refreshWhenDue(known: Known, manifest: Manifest): void {
    const nowMs = this.#now();
    if (nowMs - known.checkedMs < this.#options.refreshMs) return;
    // Set at once, so that one request asks; were it to go away, the next one would, a while later.
    known.checkedMs = nowMs;
    const refresh = this.#refresh(known, manifest).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log({ event: "head_refresh_failed", head: known.name, reason });
    });
    this.#options.waitUntil(refresh);
  }

  async #refresh(known: Known, manifest: Manifest): Promise<void> {
    const { name } = known;
    const key = headCurrentKey(name);
    const bytes = await this.#options.source.readIfThere(key, maxModelJsonBytes);
    // Another request may have read it meanwhile, and knows better.
    if (this.#known.get(name) !== known) return;
    if (!bytes) {
      this.#known.delete(name);
      return;
    }
    const next = { ...parseCurrent(name, bytes), checkedMs: known.checkedMs };
    const entry = liveOn(next, manifest);
    if (entry) await this.#load(name, entry, manifest);
    if (this.#known.get(name) === known) this.#known.put(name, next);
  }
}

/** maxHeadHistory and maxHeadBackbones entries have about 15 brackets, commas and colons each. */
const currentLimits: JsonLimits = { maxDepth: 16, maxStructure: 20_000 };

function parseCurrent(name: string, bytes: Uint8Array): Pick<HeadCurrent, "name" | "live"> {
  const key = headCurrentKey(name);
  let json: unknown;
  try {
    json = parseJson(bytes, currentLimits);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw headUnavailable(name, `${key} ${cause.message}; push the head again`, cause);
  }
  const parsed = headCurrentSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw headUnavailable(
      name,
      `${key} is not valid: ${issue?.path.join(".") || "the document"}: ${issue?.message}; push the head again`,
    );
  }
  if (parsed.data.name !== name) {
    throw headUnavailable(name, `${key} names the head ${parsed.data.name}; push the head again`);
  }
  return { name, live: parsed.data.live };
}

/** What a head file says of itself against where it was found and what it is to score. */
function checkIsEntry({ file }: Head, name: string, entry: HeadEntry, manifest: Manifest): void {
  const says = `${file.name} ${file.version} for ${backboneText(file.backbone)}`;
  const expected = `${name} ${entry.version} for ${backboneText(entry.backbone)}`;
  if (says !== expected) throw new HeadFormatError(`it is ${says}; expected ${expected}; push it again`);
  if (file.feature_size !== manifest.feature_size) {
    throw new HeadFormatError(
      `it takes ${file.feature_size} features; the model gives ${manifest.feature_size}; train it again`,
    );
  }
}
