/**
 * How long each stage of a request took. Deployed, clocks stand still during CPU work, so only waiting shows;
 * in local runs the figures mean what they say.
 */
export class Stages {
  readonly #ms = new Map<string, number>();

  async time<T>(stage: string, work: () => T | Promise<T>): Promise<T> {
    const startedMs = performance.now();
    try {
      return await work();
    } finally {
      this.#ms.set(stage, (this.#ms.get(stage) ?? 0) + performance.now() - startedMs);
    }
  }

  /** Stage to milliseconds, in the order in which they first ended. */
  entries(): IterableIterator<[string, number]> {
    return this.#ms.entries();
  }
}
