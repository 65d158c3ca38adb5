/**
 * Least-recently-used map, bounded by the total weight of its entries: their number by default, or bytes if the caller
 * passes them. It never removes the newest entry, because its caller is about to use it.
 */
export class Lru<T> {
  // A Map keeps insertion order: the first key is the least recently used.
  readonly #entries = new Map<string, { readonly value: T; readonly weight: number }>();
  readonly #maxWeight: number;
  #weight = 0;

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight;
  }

  /** Total weight of the entries. */
  get weight(): number {
    return this.#weight;
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /** Returns the value and marks it as most recently used. */
  get(key: string): T | undefined {
    const found = this.#entries.get(key);
    if (!found) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found.value;
  }

  /**
   * Adds or replaces an entry, then removes the least recently used ones until the rest fits.
   * @param weight in the unit of `maxWeight`, the entry's overhead included
   */
  put(key: string, value: T, weight = 1): void {
    this.delete(key);
    this.#entries.set(key, { value, weight });
    this.#weight += weight;
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#maxWeight || this.#entries.size === 1) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const found = this.#entries.get(key);
    if (!found) return;
    this.#entries.delete(key);
    this.#weight -= found.weight;
  }
}
