/** Histogram of an activation after ReLU over many images, in one pass: when a value lies outside, bins merge in pairs. */

/** Enough that even a clip at a tenth of the largest value leaves more bins than u8 levels. */
const defaultBins = 8192;

export class Histogram {
  /** Bin i holds the weight of the values in [i * width, (i + 1) * width). Exact zeros are left out: no rounding changes them. */
  counts: Float64Array;
  /** Largest value seen. */
  max = 0;
  /** Where the last bin ends. */
  #reach = 0;

  constructor(bins = defaultBins) {
    this.counts = new Float64Array(bins);
  }

  get width(): number {
    return this.#reach / this.counts.length;
  }

  /**
   * @param weight What each value counts.
   * @throws RangeError for values that are negative or not finite.
   */
  add(values: Float32Array, weight = 1): void {
    let max = this.max;
    for (const value of values) {
      // Not `value < 0`: a NaN must not pass.
      if (!(value >= 0)) throw new RangeError(`an activation after ReLU is ${value}`);
      if (value > max) max = value;
    }
    if (max === Number.POSITIVE_INFINITY) throw new RangeError("an activation is infinite");
    this.max = max;
    this.#grow(max);
    if (max === 0) return;
    const { counts } = this;
    const perUnit = 1 / this.width;
    const last = counts.length - 1;
    for (const value of values) {
      if (value !== 0) counts[Math.min(last, Math.floor(value * perUnit))]! += weight;
    }
  }

  /** Doubles the reach until it holds `value`. */
  #grow(value: number): void {
    if (this.#reach === 0) this.#reach = value;
    while (this.#reach < value) {
      const merged = new Float64Array(this.counts.length);
      for (let i = 0; i < merged.length; i++) merged[i >> 1]! += this.counts[i]!;
      this.counts = merged;
      this.#reach *= 2;
    }
  }
}
