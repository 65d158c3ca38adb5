/**
 * Shared work: equal calls at the same time do it once. Pure but for the timers it is given.
 *
 * In Workers the request that leads may be cancelled, and what it had under way then never settles
 * (cloudflare-docs pull request 29797). So the leader's work is anchored (ctx.waitUntil), every caller waits only as long
 * as the work makes progress, and a caller that has waited too long takes over.
 */
import { settleWithin, timedOut } from "./timeout.ts";

/** Keeps work alive after its request has gone: `ctx.waitUntil`. */
export type Anchor = (work: Promise<unknown>) => void;

export interface Lead {
  /** Call after each step: callers then go on waiting for another `stallMs`. */
  progress(): void;
  /** Aborted when another caller has taken over: stop, and give back what was taken. */
  readonly signal: AbortSignal;
}

export interface Flown<T> {
  value: T;
  /** Whether this caller did the work, or joined another's. */
  led: boolean;
}

interface Flight<T> {
  readonly work: Promise<T>;
  readonly controller: AbortController;
  lastProgressMs: number;
}

export class StalledError extends Error {
  constructor(stallMs: number) {
    super(`no progress for ${stallMs} ms`);
    this.name = "StalledError";
  }
}

export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();
  readonly #stallMs: number;
  readonly #now: () => number;

  /** @param stallMs milliseconds without progress after which the work counts as abandoned */
  constructor(stallMs: number, now: () => number = Date.now) {
    this.#stallMs = stallMs;
    this.#now = now;
  }

  /** Number of works under way. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * Joins the work under way for `key`, or starts it.
   * Rejects with what the work rejects with, or with StalledError when this caller's own attempt made no progress.
   */
  async run(key: string, start: (lead: Lead) => Promise<T>, anchor: Anchor): Promise<Flown<T>> {
    const joined = this.#flights.get(key);
    if (joined) {
      const outcome = await this.#settled(joined);
      if (outcome) return { value: outcome.value, led: false };
      this.#abandon(key, joined);
      // Several callers may have waited for the same leader: the first to wake leads, the others join it.
      const successor = this.#flights.get(key);
      if (successor) return this.run(key, start, anchor);
    }
    const flight = this.#start(key, start, anchor);
    const outcome = await this.#settled(flight);
    if (outcome) return { value: outcome.value, led: true };
    this.#abandon(key, flight);
    throw new StalledError(this.#stallMs);
  }

  #start(key: string, start: (lead: Lead) => Promise<T>, anchor: Anchor): Flight<T> {
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
    anchor(work.catch(() => {}));
    return flight;
  }

  /** The work's value, or undefined when it made no progress for `stallMs`. */
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
    flight.controller.abort();
  }
}
