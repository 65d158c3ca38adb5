/**
 * Runs tasks one after the other, because an ONNX Runtime session cannot run twice at once. The queue continues after a
 * failed task. A task whose request was cancelled may never settle, so the queue gives up on it after a time.
 */
import { pause, settleWithin, timedOut } from "./timeout.ts";

/** A queue of tasks that never overlap. */
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
