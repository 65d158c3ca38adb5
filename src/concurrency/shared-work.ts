/**
 * Work that requests share: equal calls at the same time run it once (SingleFlight), and runs that must not overlap follow
 * one another (RunQueue).
 *
 * In Workers, the request that started the work may be cancelled, and its pending promises then never settle
 * (cloudflare-docs pull request 29797). So `waitUntil` keeps shared work alive, nobody waits longer than the work makes
 * progress, and a caller that has waited too long starts the work again or takes its turn.
 */
import { pause, settleWithin, timedOut } from "./timeout.ts";

/** Keeps work alive after its request has ended: `waitUntil` of cloudflare:workers. */
export type WaitUntil = (work: Promise<unknown>) => void;

/** How long callers wait for shared work, and what keeps it alive. */
export interface SingleFlightOptions {
  /** Milliseconds without progress after which work counts as abandoned. */
  readonly stallMs: number;
  readonly waitUntil: WaitUntil;
  readonly now?: () => number;
}

/** What the caller that does the work gets. */
export interface Lead {
  /** Call after each step. Callers then wait for another `stallMs`. */
  progress(): void;
  /** Aborted with a StalledError when another caller has taken over: stop, and release everything. */
  readonly signal: AbortSignal;
}

/** The result of shared work. */
export interface Flown<T> {
  value: T;
  /** Whether this caller did the work. False if it joined another caller's work. */
  led: boolean;
}

interface Flight<T> {
  readonly work: Promise<T>;
  readonly controller: AbortController;
  lastProgressMs: number;
}

/** Shared work made no progress for too long. */
export class StalledError extends Error {
  constructor(stallMs: number) {
    super(`no progress for ${stallMs} ms`);
    this.name = "StalledError";
  }
}

/** Runs equal work once at a time. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();
  readonly #stallMs: number;
  readonly #waitUntil: WaitUntil;
  readonly #now: () => number;

  constructor({ stallMs, waitUntil, now = Date.now }: SingleFlightOptions) {
    this.#stallMs = stallMs;
    this.#waitUntil = waitUntil;
    this.#now = now;
  }

  /** Number of works in progress. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * Joins the work in progress for `key`, or starts it.
   * @throws StalledError if this caller's own attempt made no progress; otherwise what the work throws
   */
  async run(key: string, start: (lead: Lead) => Promise<T>): Promise<Flown<T>> {
    const joined = this.#flights.get(key);
    if (joined) {
      const outcome = await this.#settled(joined);
      if (outcome) return { value: outcome.value, led: false };
      this.#abandon(key, joined);
      // Several callers may have waited for the same leader: the first to wake leads, the others join it.
      if (this.#flights.has(key)) return this.run(key, start);
    }
    const flight = this.#start(key, start);
    const outcome = await this.#settled(flight);
    if (outcome) return { value: outcome.value, led: true };
    this.#abandon(key, flight);
    throw new StalledError(this.#stallMs);
  }

  #start(key: string, start: (lead: Lead) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const progress = () => {
      flight.lastProgressMs = this.#now();
    };
    const work = Promise.resolve()
      .then(() => start({ progress, signal: controller.signal }))
      .finally(() => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      });
    const flight: Flight<T> = { work, controller, lastProgressMs: this.#now() };
    this.#flights.set(key, flight);
    this.#waitUntil(work.catch(() => {}));
    return flight;
  }

  /** The work's value, or undefined if it made no progress for `stallMs`. */
  async #settled(flight: Flight<T>): Promise<{ value: T } | undefined> {
    for (;;) {
      const idleMs = this.#now() - flight.lastProgressMs;
      if (idleMs >= this.#stallMs) return undefined;
      const outcome = await settleWithin(flight.work, this.#stallMs - idleMs);
      if (outcome !== timedOut) return { value: outcome };
    }
  }

  #abandon(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) !== flight) return;
    this.#flights.delete(key);
    flight.controller.abort(new StalledError(this.#stallMs));
  }
}

/**
 * Runs tasks one after the other, because an ONNX Runtime session cannot run twice at once. The queue continues after a
 * failed task. A task whose request was cancelled may never settle, so the queue gives up on it after a time.
 */
export class RunQueue {
  #tail: Promise<void> = Promise.resolve();
  #length = 0;
  #lastProgressMs = 0;
  readonly #stallMs: number;
  readonly #now: () => number;

  /** @param stallMs milliseconds without a task starting or ending, after which the running task counts as abandoned */
  constructor(stallMs: number, now: () => number = Date.now) {
    this.#stallMs = stallMs;
    this.#now = now;
  }

  /** Number of tasks that run or wait. */
  get length(): number {
    return this.#length;
  }

  /** Runs `task` after all earlier tasks and returns its result. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const previous = this.#tail;
    const done = Promise.withResolvers<void>();
    this.#tail = done.promise;
    const waited = this.#length > 0;
    if (!waited) this.#progress();
    this.#length++;
    try {
      await this.#turn(previous);
      // A run blocks the thread. Yield first, so that the answers of earlier runs are sent before it starts.
      if (waited) await pause(0);
      this.#progress();
      return await task();
    } finally {
      this.#length--;
      this.#progress();
      done.resolve();
    }
  }

  async #turn(previous: Promise<void>): Promise<void> {
    for (;;) {
      const idleMs = this.#now() - this.#lastProgressMs;
      if (idleMs >= this.#stallMs) return;
      if ((await settleWithin(previous, this.#stallMs - idleMs)) !== timedOut) return;
    }
  }

  #progress(): void {
    this.#lastProgressMs = this.#now();
  }
}
