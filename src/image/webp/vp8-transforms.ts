/** The inverse transforms of VP8 (RFC 6386, section 14). */

/** sqrt(2) * cos(pi / 8) - 1 and sqrt(2) * sin(pi / 8), times 2^16. */
const cosineMinusOne = 20091;
const sine = 35468;

/** Results of the first pass. Decoding is synchronous, so all decodes share this array. */
const columns = new Int32Array(16);

/**
 * Adds the inverse DCT of 16 coefficients, row by row from index `from`, to 4x4 samples, from index `at` (section
 * 14.4).
 */
export function addInverseDct(
  coefficients: Int16Array,
  from: number,
  samples: Uint8ClampedArray,
  at: number,
  stride: number,
): void {
  for (let x = 0; x < 4; x++) {
    const first = coefficients[from + x]!;
    const second = coefficients[from + x + 4]!;
    const third = coefficients[from + x + 8]!;
    const fourth = coefficients[from + x + 12]!;
    const a = first + third;
    const b = first - third;
    const c = bySine(second) - byCosine(fourth);
    const d = byCosine(second) + bySine(fourth);
    columns[x] = a + d;
    columns[x + 4] = b + c;
    columns[x + 8] = b - c;
    columns[x + 12] = a - d;
  }
  for (let row = 0, to = at; row < 16; row += 4, to += stride) {
    const first = columns[row]! + 4;
    const second = columns[row + 1]!;
    const third = columns[row + 2]!;
    const fourth = columns[row + 3]!;
    const a = first + third;
    const b = first - third;
    const c = bySine(second) - byCosine(fourth);
    const d = byCosine(second) + bySine(fourth);
    samples[to] = samples[to]! + ((a + d) >> 3);
    samples[to + 1] = samples[to + 1]! + ((b + c) >> 3);
    samples[to + 2] = samples[to + 2]! + ((b - c) >> 3);
    samples[to + 3] = samples[to + 3]! + ((a - d) >> 3);
  }
}

function bySine(value: number): number {
  return Math.imul(value, sine) >> 16;
}

function byCosine(value: number): number {
  return value + (Math.imul(value, cosineMinusOne) >> 16);
}

/** Adds the inverse DCT of a block whose only coefficient is `dc` to 4x4 samples. */
export function addDc(dc: number, samples: Uint8ClampedArray, at: number, stride: number): void {
  const level = (dc + 4) >> 3;
  for (let y = 0, to = at; y < 4; y++, to += stride) {
    samples[to] = samples[to]! + level;
    samples[to + 1] = samples[to + 1]! + level;
    samples[to + 2] = samples[to + 2]! + level;
    samples[to + 3] = samples[to + 3]! + level;
  }
}

/**
 * Inverts the Walsh-Hadamard transform of the Y2 block (section 14.3).
 * @param coefficients holds the block from index `from`, and receives the DC coefficient of the n-th luma block at n *
 *   16
 */
export function inverseWalshHadamard(coefficients: Int16Array, from: number): void {
  for (let x = from; x < from + 4; x++) {
    const a = coefficients[x]! + coefficients[x + 12]!;
    const b = coefficients[x + 4]! + coefficients[x + 8]!;
    const c = coefficients[x + 4]! - coefficients[x + 8]!;
    const d = coefficients[x]! - coefficients[x + 12]!;
    columns[x - from] = a + b;
    columns[x - from + 4] = c + d;
    columns[x - from + 8] = a - b;
    columns[x - from + 12] = d - c;
  }
  for (let row = 0; row < 16; row += 4) {
    const a = columns[row]! + columns[row + 3]! + 3;
    const b = columns[row + 1]! + columns[row + 2]!;
    const c = columns[row + 1]! - columns[row + 2]!;
    const d = columns[row]! - columns[row + 3]! + 3;
    coefficients[row * 16] = (a + b) >> 3;
    coefficients[row * 16 + 16] = (c + d) >> 3;
    coefficients[row * 16 + 32] = (a - b) >> 3;
    coefficients[row * 16 + 48] = (d - c) >> 3;
  }
}
