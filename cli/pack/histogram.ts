/** Histogram of an activation over many images, in one pass. */

/** More than 10 * 256, so that a clip at a tenth of the largest value leaves more bins than u8 levels. */
const defaultBins = 8192;

/** Histogram of non-negative values. When a value is too large, bins merge in pairs. */
export class Histogram {
  /** Bin i holds the weight of the values in [i * width, (i + 1) * width). Zeros are not counted: rounding keeps them. */
  counts: Float64Array;
  /** Largest value seen. */
  max = 0;
  /** End of the last bin. */
  #reach = 0;

  constructor(bins = defaultBins) {
    this.counts = new Float64Array(bins);
  }

  /** Width of a bin. */
  get width(): number {
    return this.#reach / this.counts.length;
  }

  /**
   * Adds values, each with the given weight.
   * @throws RangeError for values that are negative or not finite.
   */
  add(values: Float32Array, weight = 1): void {
    let max = this.max;
    for (const value of values) {
      // Not `value < 0`, which NaN would pass.
      if (!(value >= 0)) throw new RangeError(`an activation after ReLU is ${value}; expected at least 0`);
      if (value > max) max = value;
    }
    if (max === Number.POSITIVE_INFINITY)
      throw new RangeError("an activation is infinite; expected a finite value");
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
