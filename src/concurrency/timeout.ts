/** Bounded waiting. Imports nothing. */

export const timedOut = Symbol("timedOut");

/**
 * A timer that fires this much late shows that the thread was busy. What has arrived meanwhile has as long to be read
 * before it counts as missing.
 */
const graceMs = 50;

/** What `promise` settles to, or `timedOut` when that takes longer than `timeoutMs`. The promise goes on. */
export async function settleWithin<T>(promise: Promise<T>, timeoutMs: number): Promise<T | typeof timedOut> {
  let wake = (_: typeof timedOut) => {};
  const elapsed = new Promise<typeof timedOut>((resolve) => {
    wake = resolve;
  });
  let dueMs = Date.now() + timeoutMs;
  const look = () => {
    if (Date.now() - dueMs < graceMs) return wake(timedOut);
    dueMs = Date.now() + graceMs;
    timer = setTimeout(look, graceMs);
  };
  let timer = setTimeout(look, timeoutMs);
  try {
    return await Promise.race([promise, elapsed]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets the event loop go round for `ms` milliseconds: other requests go on. 0 is one turn. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How often an IdleTimer looks whether the thread was busy. */
const heartbeatMs = 250;

/**
 * settleWithin for one promise after the other, with a single timer: thousands of reads of a large body would otherwise
 * leave as many timers to the garbage collector.
 *
 * Time in which the thread was busy does not count: a promise cannot settle meanwhile, and timers fire late. So bytes
 * that arrived while another request was computing are not taken for missing.
 */
export class IdleTimer {
  readonly #idleMs: number;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** By how much timers fired late, in all. */
  #lateMs = 0;
  #waitedMs = 0;
  /** The wait under way: when it began, on the clock that stops while the thread is busy. */
  #wait: { readonly startedMs: number; readonly giveUp: () => void } | undefined;

  constructor(idleMs: number, now: () => number = Date.now) {
    this.#idleMs = idleMs;
    this.#now = now;
  }

  /** Milliseconds of all waits that have ended. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** What `promise` settles to, or `timedOut` when that takes longer than `idleMs`. One wait at a time. */
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
      promise.then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          reject(error);
        },
      );
    });
  }

  /** To be called when nothing more is waited for. */
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
    this.#timer = setTimeout(this.#look, ms);
  }

  readonly #look = () => {
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
