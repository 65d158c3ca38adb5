/**
 * The model of this isolate: loaded at the first request that needs it, shared by all, one run at a time.
 * A load that fails is forgotten, so the next request tries again. A version that goes live in the bucket is taken over
 * within `refreshMs`: runs under way finish on the old one, whose sessions are released before the new one loads, since
 * two do not fit; if the new one does not load, the old one comes back.
 */
import { ClassifierError } from "../errors.ts";
import { defaultModelRefreshMs, modelLoadStallMs, refusedModelRetryMs, runStallMs } from "../limits.ts";
import { type Lead, SingleFlight, type WaitUntil } from "../single-flight.ts";
import { type Pack, readLiveVersion, readPack, readShard } from "./pack.ts";
import { RunQueue } from "./run-queue.ts";
import type { Runtime } from "./runtime.ts";
import { type ModelOutput, ShardedSession } from "./sharded-session.ts";
import type { PackSource } from "./source.ts";
import { modelUnavailable, stallsAreUnavailable } from "./unavailable.ts";

export interface ModelHostOptions {
  readonly name: string;
  readonly source: PackSource;
  readonly runtime: Runtime;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  readonly waitUntil: WaitUntil;
  /** Milliseconds after which a request has the bucket asked, behind its back, what is live. */
  readonly refreshMs?: number;
  /** Milliseconds without progress after which a load counts as abandoned. */
  readonly stallMs?: number;
  readonly now?: () => number;
}

interface LoadedModel {
  readonly pack: Pack;
  readonly session: ShardedSession;
}

export interface Inference extends ModelOutput {
  /** The pack that made the output: its labels and its version, whatever has gone live since. */
  readonly pack: Pack;
}

export class ModelHost {
  readonly #options: ModelHostOptions;
  readonly #now: () => number;
  readonly #refreshMs: number;
  readonly #queue: RunQueue;
  readonly #packFlight: SingleFlight<Pack>;
  readonly #loadFlight: SingleFlight<LoadedModel>;
  /** What is served, or will be once it is loaded. */
  #pack: Pack | undefined;
  #loaded: LoadedModel | undefined;
  /** The model that has run already. */
  #warmed: LoadedModel | undefined;
  /** What has gone live since, and is to be loaded next. */
  #candidate: Pack | undefined;
  #checkedMs = 0;
  /** A version that did not load, and the time until which it is left alone. */
  #refused = { version: "", untilMs: 0 };

  constructor(options: ModelHostOptions) {
    const stallMs = options.stallMs ?? modelLoadStallMs;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#refreshMs = options.refreshMs ?? defaultModelRefreshMs;
    this.#queue = new RunQueue(runStallMs, this.#now);
    const flights = { stallMs, waitUntil: options.waitUntil, now: this.#now };
    this.#packFlight = new SingleFlight(flights);
    this.#loadFlight = new SingleFlight(flights);
  }

  /** The live pack without its weights: three R2 reads the first time. Rejects with model_unavailable. */
  async pack(): Promise<Pack> {
    if (this.#pack) {
      this.#refreshWhenDue();
      return this.#pack;
    }
    const read = (lead: Lead) => this.#readPack(lead);
    return (await stallsAreUnavailable("reading the pack", this.#packFlight.run("pack", read))).value;
  }

  /** Loads the weights if need be. Rejects with model_unavailable. */
  async load(): Promise<{ pack: Pack; shards: number }> {
    const { pack, session } = await this.#load();
    return { pack, shards: session.shards };
  }

  /**
   * Loads the weights and makes a first run, which is several times slower than the rest, before an image is there.
   * @param wanted false as soon as somebody waits for a run of their own
   */
  async warm(wanted: () => boolean): Promise<void> {
    const loaded = await this.#load();
    if (this.#warmed === loaded || this.#queue.length > 0 || !wanted()) return;
    const { shape } = loaded.pack.manifest.input;
    const blank = new Float32Array(shape.reduce((product, dimension) => product * dimension));
    await this.infer(() => blank);
  }

  /** `warm` without waiting. Its failure is not reported here: the request that needs the model meets it again. */
  warmInBackground(wanted: () => boolean): void {
    this.#options.waitUntil(this.warm(wanted).catch(() => {}));
  }

  /**
   * One forward pass, after those that came before.
   * @param prepare makes the input tensor for the pack that will run, so that a change of model between cannot mix
   */
  async infer(prepare: (pack: Pack) => Float32Array): Promise<Inference> {
    await this.#load();
    return this.#queue.run(async () => {
      // Again, now that nobody else runs: the one before may have failed, or brought another model.
      const { pack, session } = await this.#load();
      const input = prepare(pack);
      try {
        const output = await session.run(input);
        this.#warmed = this.#loaded;
        return { ...output, pack };
      } catch (cause) {
        await this.#discard(session);
        const error =
          cause instanceof ClassifierError ? cause : modelUnavailable("the forward pass failed", cause);
        const { name: model, version } = pack.manifest;
        this.#options.log({ event: "run_failed", model, version, ...explain(error) });
        throw error;
      }
    });
  }

  /** Whether a run would have to wait for the weights. */
  get cold(): boolean {
    return this.#loaded === undefined;
  }

  /** Bytes of ORT's WASM heap. */
  heapBytes(): number {
    return this.#options.runtime.heapBytes();
  }

  async #load(): Promise<LoadedModel> {
    if (this.#loaded) return this.#loaded;
    const start = (lead: Lead) => this.#loadWeights(lead);
    return (await stallsAreUnavailable("loading it", this.#loadFlight.run("weights", start))).value;
  }

  async #readPack({ progress, signal }: Lead): Promise<Pack> {
    const { source, name } = this.#options;
    const version = await readLiveVersion(source, name);
    progress();
    const pack = await readPack(source, name, version);
    if (!signal.aborted) {
      this.#pack = pack;
      this.#checkedMs = this.#now();
    }
    return pack;
  }

  async #loadWeights(lead: Lead): Promise<LoadedModel> {
    const candidate = this.#candidate;
    if (candidate) {
      try {
        const loaded = await this.#loadSession(candidate, lead);
        this.#pack = candidate;
        return loaded;
      } catch (error) {
        if (lead.signal.aborted) throw error;
        this.#refuse(candidate);
      } finally {
        this.#candidate = undefined;
      }
    }
    const pack = await this.pack();
    lead.progress();
    try {
      return await this.#loadSession(pack, lead);
    } catch (error) {
      // What is live may be mended or changed by the next request: it reads it again.
      if (!lead.signal.aborted) this.#pack = undefined;
      throw error;
    }
  }

  async #loadSession(pack: Pack, { progress, signal }: Lead): Promise<LoadedModel> {
    const { source, runtime, log } = this.#options;
    const { name: model, version } = pack.manifest;
    const startedMs = this.#now();
    try {
      const session = await ShardedSession.load(pack.manifest, {
        runtime,
        signal,
        onProgress: progress,
        readShard: (shard) => readShard(source, pack.manifest, shard),
      });
      this.#loaded = { pack, session };
      const facts = {
        shards: session.shards,
        r2_reads: source.reads,
        wasm_heap_bytes: runtime.heapBytes(),
        runtime_starts: runtime.starts,
      };
      const { startMs, readMs, sessionMs, warmUpMs } = session.times;
      const times = {
        ms: this.#now() - startedMs,
        start_ms: startMs,
        read_ms: readMs,
        session_ms: sessionMs,
        warm_up_ms: warmUpMs,
      };
      log({ event: "model_loaded", model, version, ...facts, ...times });
      return this.#loaded;
    } catch (error) {
      if (!signal.aborted) log({ event: "model_load_failed", model, version, ...explain(error) });
      throw error;
    }
  }

  #refreshWhenDue(): void {
    const nowMs = this.#now();
    if (nowMs - this.#checkedMs < this.#refreshMs) return;
    // Set at once, so that one request asks; were it to go away, the next one would, a while later.
    this.#checkedMs = nowMs;
    const refresh = this.#refresh().catch((error: unknown) => {
      this.#options.log({ event: "model_refresh_failed", model: this.#options.name, ...explain(error) });
    });
    this.#options.waitUntil(refresh);
  }

  async #refresh(): Promise<void> {
    const { source, name } = this.#options;
    const version = await readLiveVersion(source, name);
    if (version === this.#pack?.manifest.version || this.#isRefused(version)) return;
    const next = await readPack(source, name, version);
    if (!this.#loaded && this.#loadFlight.size === 0) {
      this.#pack = next;
      return;
    }
    await this.#load();
    await this.#queue.run(async () => {
      this.#candidate = next;
      const old = this.#loaded;
      this.#loaded = undefined;
      await old?.session.release().catch(() => {});
      await this.#load();
    });
  }

  #refuse({ manifest: { version } }: Pack): void {
    this.#refused = { version, untilMs: this.#now() + refusedModelRetryMs };
  }

  #isRefused(version: string): boolean {
    return version === this.#refused.version && this.#now() < this.#refused.untilMs;
  }

  /** After a failed run the sessions are not to be trusted: the next request loads them anew. */
  async #discard(session: ShardedSession): Promise<void> {
    if (this.#loaded?.session === session) this.#loaded = undefined;
    await session.release().catch(() => {});
  }
}

function explain(error: unknown): { reason: string; cause: string | undefined } {
  if (!(error instanceof Error)) return { reason: String(error), cause: undefined };
  const { message: reason, cause } = error;
  // ONNX Runtime throws more than errors.
  return { reason, cause: cause instanceof Error || cause === undefined ? cause?.message : String(cause) };
}
