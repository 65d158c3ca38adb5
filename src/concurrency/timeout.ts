/** Bounded waiting: for one promise, for a series of promises, and for an optional dependency that may hang. */

/** Bounded waiting. Imports nothing. */

/** What a wait returns if the promise did not settle in time. */
export const timedOut = Symbol("timedOut");

/**
 * A timer that fires this much late shows that the thread was busy. Events that arrived meanwhile get this much time to be
 * handled before the wait ends.
 */
const graceMs = 50;

/** Waits for `promise`. Returns `timedOut` after `timeoutMs`; the promise itself continues. */
export async function settleWithin<T>(promise: Promise<T>, timeoutMs: number): Promise<T | typeof timedOut> {
  const elapsed = Promise.withResolvers<typeof timedOut>();
  let dueMs = Date.now() + timeoutMs;
  const check = () => {
    if (Date.now() - dueMs < graceMs) return elapsed.resolve(timedOut);
    dueMs = Date.now() + graceMs;
    timer = setTimeout(check, graceMs);
  };
  let timer = setTimeout(check, timeoutMs);
  try {
    return await Promise.race([promise, elapsed.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for `ms` milliseconds while other requests run. 0 is one turn of the event loop. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How often an IdleTimer checks whether the thread was busy. */
const heartbeatMs = 250;

/**
 * Waits for one promise after the other, like settleWithin, but with a single timer: thousands of reads of a large body
 * would otherwise leave as many timers to the garbage collector.
 *
 * Time in which the thread was busy does not count, because no promise can settle then and timers fire late. So bytes that
 * arrive while another request computes do not count as missing.
 */
export class IdleTimer {
  readonly #idleMs: number;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** Total delay of all timers. */
  #lateMs = 0;
  #waitedMs = 0;
  /** The current wait: its start on the clock that stops while the thread is busy. */
  #wait: { readonly startedMs: number; readonly giveUp: () => void } | undefined;

  constructor(idleMs: number, now: () => number = Date.now) {
    this.#idleMs = idleMs;
    this.#now = now;
  }

  /** Total milliseconds of all waits that have ended. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Waits for `promise`. Returns `timedOut` after `idleMs`. Only one wait at a time. */
  settle<T>(promise: Promise<T>): Promise<T | typeof timedOut> {
    return new Promise((resolve, reject) => {
      this.#arm(Math.min(heartbeatMs, this.#idleMs));
      const wait = { startedMs: this.#clockMs(), giveUp: () => resolve(timedOut) };
      this.#wait = wait;
      const end = () => {
        if (this.#wait !== wait) return;
        this.#waitedMs += this.#clockMs() - wait.startedMs;
        this.#wait = undefined;
      };
      promise.finally(end).then(resolve, reject);
    });
  }

  /** Stops the timer. Call it after the last wait. */
  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#wait = undefined;
  }

  /** A clock that stands still from when a timer is due until it fires. */
  #clockMs(): number {
    return Math.min(this.#now(), this.#dueMs) - this.#lateMs;
  }

  #arm(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#dueMs = this.#now() + ms;
    this.#timer = setTimeout(this.#check, ms);
  }

  readonly #check = () => {
    this.#lateMs += Math.max(0, this.#now() - this.#dueMs);
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#timer = undefined;
    const wait = this.#wait;
    if (!wait) return;
    const remainingMs = wait.startedMs + this.#idleMs - this.#clockMs();
    if (remainingMs > 0) this.#arm(Math.min(heartbeatMs, remainingMs));
    else wait.giveUp();
  };
}

/** Default time for one call. Computing a result takes about 0.1 s, so waiting longer for a cache is not worth it. */
const defaultTimeoutMs = 2_000;
/** Default time without calls after a timeout. Without it, every request would wait for a hanging dependency. */
const defaultRestMs = 30_000;

/** What guards the calls to one dependency. */
export interface CircuitBreakerOptions {
  /** Milliseconds that one call may take. Default: 2,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds without calls after a call has timed out. Default: 30,000. */
  readonly restMs?: number;
  /** Receives the name and the error of each failed call. */
  readonly onFailure: (operation: string, error: unknown) => void;
  readonly now?: () => number;
}

/**
 * Calls an optional dependency that may fail or hang, such as a cache. Its failures never reach the caller. After a call has
 * timed out, it skips all calls for `restMs`.
 */
export class CircuitBreaker {
  readonly #timeoutMs: number;
  readonly #restMs: number;
  readonly #onFailure: CircuitBreakerOptions["onFailure"];
  readonly #now: () => number;
  #openUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: CircuitBreakerOptions) {
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#restMs = options.restMs ?? defaultRestMs;
    this.#onFailure = options.onFailure;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Returns the result of `call`, or undefined if the call fails, times out or is skipped. Never rejects.
   * @param operation name of the call in the failure report
   */
  async attempt<T>(operation: string, call: () => Promise<T>): Promise<T | undefined> {
    if (this.#now() < this.#openUntilMs) return undefined;
    try {
      const outcome = await settleWithin(call(), this.#timeoutMs);
      if (outcome !== timedOut) return outcome;
      this.#openUntilMs = this.#now() + this.#restMs;
      throw new Error(`no answer within ${this.#timeoutMs} ms; skipped for the next ${this.#restMs} ms`);
    } catch (error) {
      this.#onFailure(operation, error);
      return undefined;
    }
  }
}
