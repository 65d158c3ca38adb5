/**
 * The loop filters of VP8 (RFC 6386, section 15). Each function filters one edge: `length` segments, `along` apart. A
 * segment is the samples before the edge, from index `before` backwards, and those after it, from index `after` on,
 * `across` apart.
 */

/** The thresholds of a macroblock (section 15.4). */
export interface FilterThresholds {
  /** Largest difference across an edge between macroblocks, and between subblocks. */
  readonly macroblockEdge: number;
  readonly subblockEdge: number;
  /** Largest difference between neighbours beside the edge. */
  readonly interior: number;
  /** Differences above this are high edge variance. */
  readonly highVariance: number;
}

/** @param level 1 to 63 */
export function filterThresholds(level: number, sharpness: number): FilterThresholds {
  let interior = level;
  if (sharpness > 0) interior = Math.min(interior >> (sharpness > 4 ? 2 : 1), 9 - sharpness);
  interior = Math.max(interior, 1);
  return {
    macroblockEdge: 2 * (level + 2) + interior,
    subblockEdge: 2 * level + interior,
    interior,
    highVariance: level >= 40 ? 2 : level >= 15 ? 1 : 0,
  };
}

/** Limits a number to 8 bits with a sign. */
function clampSigned(value: number): number {
  return value < -128 ? -128 : value > 127 ? 127 : value;
}

/**
 * Sections 15.2: moves the samples at the edge towards each other. Samples are unsigned here and signed in the RFC,
 * which makes no difference: the sums contain only differences, and the array clamps what is stored.
 */
function adjustWithOuterTaps(
  samples: Uint8ClampedArray,
  before: number,
  after: number,
  p1: number,
  p0: number,
  q0: number,
  q1: number,
): void {
  const a = clampSigned(clampSigned(p1 - q1) + 3 * (q0 - p0));
  samples[after] = q0 - (clampSigned(a + 4) >> 3);
  samples[before] = p0 + (clampSigned(a + 3) >> 3);
}

/** The simple filter, for both kinds of edges (section 15.2). */
export function filterSimpleEdge(
  samples: Uint8ClampedArray,
  before: number,
  after: number,
  across: number,
  along: number,
  length: number,
  edgeLimit: number,
): void {
  let p = before;
  let q = after;
  for (let i = 0; i < length; i++, p += along, q += along) {
    const p1 = samples[p - across]!;
    const p0 = samples[p]!;
    const q0 = samples[q]!;
    const q1 = samples[q + across]!;
    if (Math.abs(p0 - q0) * 2 + (Math.abs(p1 - q1) >> 1) > edgeLimit) continue;
    adjustWithOuterTaps(samples, p, q, p1, p0, q0, q1);
  }
}

/**
 * The normal filter, at an edge between macroblocks (section 15.3, MBfilter) or between subblocks (subblock_filter).
 */
export function filterNormalEdge(
  samples: Uint8ClampedArray,
  before: number,
  after: number,
  across: number,
  along: number,
  length: number,
  { macroblockEdge, subblockEdge, interior, highVariance }: FilterThresholds,
  isSubblockEdge: boolean,
): void {
  const edgeLimit = isSubblockEdge ? subblockEdge : macroblockEdge;
  let p = before;
  let q = after;
  for (let i = 0; i < length; i++, p += along, q += along) {
    const p1 = samples[p - across]!;
    const p0 = samples[p]!;
    const q0 = samples[q]!;
    const q1 = samples[q + across]!;
    if (Math.abs(p0 - q0) * 2 + (Math.abs(p1 - q1) >> 1) > edgeLimit) continue;
    const pStep = Math.abs(p1 - p0);
    const qStep = Math.abs(q1 - q0);
    if (pStep > interior || qStep > interior) continue;
    const p2 = samples[p - 2 * across]!;
    const q2 = samples[q + 2 * across]!;
    if (Math.abs(p2 - p1) > interior || Math.abs(q2 - q1) > interior) continue;
    if (Math.abs(samples[p - 3 * across]! - p2) > interior) continue;
    if (Math.abs(samples[q + 3 * across]! - q2) > interior) continue;
    if (pStep > highVariance || qStep > highVariance) {
      adjustWithOuterTaps(samples, p, q, p1, p0, q0, q1);
    } else if (isSubblockEdge) {
      const a = clampSigned(3 * (q0 - p0));
      const qChange = clampSigned(a + 4) >> 3;
      const outerChange = (qChange + 1) >> 1;
      samples[p - across] = p1 + outerChange;
      samples[p] = p0 + (clampSigned(a + 3) >> 3);
      samples[q] = q0 - qChange;
      samples[q + across] = q1 - outerChange;
    } else {
      const w = clampSigned(clampSigned(p1 - q1) + 3 * (q0 - p0));
      // About 3/7, 2/7 and 1/7 of the difference.
      const near = (27 * w + 63) >> 7;
      const middle = (18 * w + 63) >> 7;
      const far = (9 * w + 63) >> 7;
      samples[p - 2 * across] = p2 + far;
      samples[p - across] = p1 + middle;
      samples[p] = p0 + near;
      samples[q] = q0 - near;
      samples[q + across] = q1 - middle;
      samples[q + 2 * across] = q2 - far;
    }
  }
}
