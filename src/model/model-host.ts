/**
 * The model of this isolate. The first request that needs it loads it, all requests share it, and it runs one input at a
 * time. A failed load is not kept: the next request tries again.
 *
 * A version that goes live in the bucket replaces the loaded one within `refreshMs`. Runs in progress finish on the old
 * version. Its sessions are then released before the new version loads, because two models do not fit into memory. If the
 * new version fails to load, the old one is loaded again.
 */
import {
  type Lead,
  RunQueue,
  SingleFlight,
  StalledError,
  type WaitUntil,
} from "../concurrency/shared-work.ts";
import { ClassifierError } from "../errors.ts";
import { defaultModelRefreshMs, modelLoadStallMs } from "../limits.ts";
import type { PackSource } from "../storage/bucket-source.ts";
import {
  type Engine,
  type EngineName,
  type ModelOutput,
  type ModelSession,
  UnsupportedGraphError,
} from "./engine.ts";
import { type Pack, readLiveVersion, readPack, readShard } from "./pack.ts";
import { modelUnavailable } from "./unavailable.ts";

/** Time before a live version that failed to load is tried again. Each try takes the old version out of service. */
const refusedModelRetryMs = 5 * 60_000;
/** Time that a run waits for the one before it. The longest run takes about 0.2 s; after this its request is gone. */
const runStallMs = 10_000;

/** WASM memory of an engine that has not held a whole model, beside which another engine may load one. */
const maxUnusedHeapBytes = 10 * 2 ** 20;

/** Where the model comes from and what runs it. */
export interface ModelHostOptions {
  readonly name: string;
  readonly source: PackSource;
  /** Runs the models that it supports. */
  readonly engine: Engine;
  /** Runs the models that `engine` does not support. */
  readonly fallback?: Engine;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
  readonly waitUntil: WaitUntil;
  /** Age of the known version, in milliseconds, after which a request triggers a background version check. */
  readonly refreshMs?: number;
  /** Milliseconds without progress after which a load counts as abandoned. */
  readonly stallMs?: number;
  readonly now?: () => number;
}

interface LoadedModel {
  readonly pack: Pack;
  readonly session: ModelSession;
  readonly engine: EngineName;
}

/** The output of a run. */
export interface Inference extends ModelOutput {
  /** The pack that computed the output. Another version may have gone live since. */
  readonly pack: Pack;
  readonly engine: EngineName;
}

/** Loads, runs and replaces the model. One per isolate. */
export class ModelHost {
  readonly #options: ModelHostOptions;
  readonly #now: () => number;
  readonly #refreshMs: number;
  readonly #queue: RunQueue;
  readonly #packFlight: SingleFlight<Pack>;
  readonly #loadFlight: SingleFlight<LoadedModel>;
  /** The pack that is loaded, or that the next load uses. */
  #pack: Pack | undefined;
  #loaded: LoadedModel | undefined;
  /** The model that has completed a run. */
  #warmed: LoadedModel | undefined;
  /** The version that has gone live since, to be loaded next. */
  #candidate: Pack | undefined;
  #checkedMs = 0;
  /** The version that `engine` does not support. */
  #unsupported = "";
  /** A version that failed to load, and the time until which it is not tried again. */
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

  /**
   * Returns the live pack without its weights. The first call reads three R2 objects.
   * @throws ClassifierError model_unavailable
   */
  async pack(): Promise<Pack> {
    if (this.#pack) this.#refreshWhenDue();
    return this.#livePack();
  }

  /**
   * Loads the weights unless they are loaded.
   * @throws ClassifierError model_unavailable
   */
  async load(): Promise<{ pack: Pack; shards: number; engine: EngineName }> {
    const { pack, session, engine } = await this.#load();
    return { pack, shards: session.shards, engine };
  }

  /**
   * Loads the weights and runs the model once on zeros, because the first run is several times slower than later ones.
   * @param wanted returns false once a request is ready to run the model itself
   * @throws ClassifierError model_unavailable
   */
  async warm(wanted: () => boolean): Promise<void> {
    const loaded = await this.#load();
    if (this.#warmed === loaded || this.#queue.length > 0 || !wanted()) return;
    const { shape } = loaded.pack.manifest.input;
    const blank = new Float32Array(shape.reduce((product, dimension) => product * dimension));
    await this.infer(() => blank);
  }

  /** Starts `warm` in the background. The request that needs the model reports a failure. */
  warmInBackground(wanted: () => boolean): void {
    this.#options.waitUntil(this.warm(wanted).catch(() => {}));
  }

  /**
   * Runs one forward pass, after the ones queued before it.
   * @param prepare returns the input tensor for the pack that runs: the live version may change while the run waits
   * @throws ClassifierError model_unavailable
   */
  async infer(prepare: (pack: Pack) => Float32Array | Promise<Float32Array>): Promise<Inference> {
    await this.#load();
    return this.#queue.run(async () => {
      // Load again: the run before may have failed and discarded the model, or may have switched the version.
      const { pack, session, engine } = await this.#load();
      const input = await prepare(pack);
      try {
        const output = await session.run(input);
        this.#warmed = this.#loaded;
        return { ...output, pack, engine };
      } catch (cause) {
        // The state of the sessions is unknown. The next request loads them again.
        if (this.#loaded?.session === session) this.#loaded = undefined;
        await session.release().catch(() => {});
        const error =
          cause instanceof ClassifierError ? cause : modelUnavailable("the forward pass failed", cause);
        this.#logFailure("run_failed", pack, error);
        throw error;
      }
    });
  }

  /** Whether a run has to load the weights first. */
  get cold(): boolean {
    return this.#loaded === undefined;
  }

  /** Bytes of the WASM memories of both engines. */
  heapBytes(): number {
    const { engine, fallback } = this.#options;
    return engine.heapBytes() + (fallback?.heapBytes() ?? 0);
  }

  async #load(): Promise<LoadedModel> {
    if (this.#loaded) return this.#loaded;
    const flight = this.#loadFlight.run("weights", (lead) => this.#loadWeights(lead));
    return (await stallsAreUnavailable("loading it", flight)).value;
  }

  async #livePack(): Promise<Pack> {
    if (this.#pack) return this.#pack;
    const flight = this.#packFlight.run("pack", (lead) => this.#readPack(lead));
    return (await stallsAreUnavailable("reading the pack", flight)).value;
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
        this.#refused = {
          version: candidate.manifest.version,
          untilMs: this.#now() + refusedModelRetryMs,
        };
      } finally {
        this.#candidate = undefined;
      }
    }
    const pack = await this.#livePack();
    lead.progress();
    try {
      return await this.#loadSession(pack, lead);
    } catch (error) {
      // The next request reads the live version again: its owner may have fixed or replaced it.
      if (!lead.signal.aborted) this.#pack = undefined;
      throw error;
    }
  }

  async #loadSession(pack: Pack, lead: Lead): Promise<LoadedModel> {
    const { engine, fallback } = this.#options;
    const { version } = pack.manifest;
    try {
      // Both memories never shrink, so an isolate whose ONNX Runtime has held a model stays with it.
      const staysWithFallback = version === this.#unsupported || holdsModel(fallback);
      if (fallback && staysWithFallback) return await this.#loadWith(fallback, pack, lead);
      try {
        return await this.#loadWith(engine, pack, lead);
      } catch (error) {
        if (!(error instanceof UnsupportedGraphError)) throw error;
        if (!fallback) throw modelUnavailable(error.message, error);
        this.#logFailure("engine_unsupported", pack, error);
        requireRoomFor(fallback, engine);
        this.#unsupported = version;
        return await this.#loadWith(fallback, pack, lead);
      }
    } catch (error) {
      if (!lead.signal.aborted) this.#logFailure("model_load_failed", pack, error);
      throw error;
    }
  }

  async #loadWith(engine: Engine, pack: Pack, { progress, signal }: Lead): Promise<LoadedModel> {
    const { source, log } = this.#options;
    const { name: model, version } = pack.manifest;
    const startedMs = this.#now();
    const session = await engine.load(pack.manifest, {
      signal,
      onProgress: progress,
      readShard: (shard) => readShard(source, pack.manifest, shard),
    });
    this.#loaded = { pack, session, engine: engine.name };
    log({
      event: "model_loaded",
      model,
      version,
      engine: engine.name,
      shards: session.shards,
      r2_reads: source.reads,
      wasm_heap_bytes: this.heapBytes(),
      runtime_starts: engine.starts,
      ms: this.#now() - startedMs,
      ...session.times,
    });
    return this.#loaded;
  }

  #refreshWhenDue(): void {
    const nowMs = this.#now();
    if (nowMs - this.#checkedMs < this.#refreshMs) return;
    // Set before the check, so that only one request starts it.
    this.#checkedMs = nowMs;
    const refresh = this.#refresh().catch((error: unknown) => {
      this.#options.log({ event: "model_refresh_failed", model: this.#options.name, ...explain(error) });
    });
    this.#options.waitUntil(refresh);
  }

  async #refresh(): Promise<void> {
    const { source, name } = this.#options;
    const version = await readLiveVersion(source, name);
    if (version === this.#pack?.manifest.version) return;
    if (version === this.#refused.version && this.#now() < this.#refused.untilMs) return;
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

  #logFailure(event: string, { manifest: { name: model, version } }: Pack, error: unknown): void {
    this.#options.log({ event, model, version, ...explain(error) });
  }
}

/** Whether an engine's memory has grown to that of a model. */
function holdsModel(engine: Engine | undefined): boolean {
  return engine !== undefined && engine.heapBytes() > maxUnusedHeapBytes;
}

/** @throws ClassifierError model_unavailable, if the engine's memory leaves no room for ONNX Runtime with a model */
function requireRoomFor(fallback: Engine, engine: Engine): void {
  if (!holdsModel(engine)) return;
  throw modelUnavailable(
    `the engine ${engine.name} does not support the model, and beside its memory there is no room for ${fallback.name}; set ENGINE = "${fallback.name}" and deploy`,
  );
}

function explain(error: unknown): { reason: string; cause: string | undefined } {
  if (!(error instanceof Error)) return { reason: String(error), cause: undefined };
  const { message: reason, cause } = error;
  // ONNX Runtime also throws values that are not errors.
  return { reason, cause: cause instanceof Error || cause === undefined ? cause?.message : String(cause) };
}

/**
 * Waits for shared work.
 * @throws ClassifierError model_unavailable, if the work made no progress; otherwise what the work throws
 */
export async function stallsAreUnavailable<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StalledError) throw modelUnavailable(`${what} made ${error.message}`, error);
    throw error;
  }
}
