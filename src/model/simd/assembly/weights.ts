/** Reorders the weights of a convolution from ONNX's [outputs][inputs][taps] for the matrix products. */

/**
 * Returns the largest sum of the magnitudes of one sign of an output's weights. Times 255 it bounds the output's sums for
 * inputs with a zero point of 0.
 * @param weights [outputs][perOutput] bytes, int8 after subtracting `zero`
 * @param zero 128 for u8 weights, 0 for int8
 */
export function largestSum(weights: usize, outputs: i32, perOutput: i32, zero: i32): i32 {
  const zeros = i8x16.splat(<i8>zero);
  const nothing = i8x16.splat(0);
  let largest = 0;
  for (let o = 0; o < outputs; o++) {
    let positives = nothing;
    let negatives = nothing;
    let left = perOutput;
    for (; left >= 16; left -= 16) {
      const levels = i8x16.sub(v128.load(weights), zeros);
      positives = i32x4.add(positives, sumOfBytes(i8x16.max_s(levels, nothing)));
      negatives = i32x4.add(negatives, sumOfBytes(i8x16.sub(nothing, i8x16.min_s(levels, nothing))));
      weights += 16;
    }
    let positive = sumOfLanes(positives);
    let negative = sumOfLanes(negatives);
    for (; left > 0; left--) {
      const level = <i32>(<i8>(load<u8>(weights) - <u8>zero));
      positive += max(level, 0);
      negative -= min(level, 0);
      weights++;
    }
    largest = max(largest, max(positive, negative));
  }
  return largest;
}

/** Sums of four u8 each, as int32. */
function sumOfBytes(bytes: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes));
}

function sumOfLanes(sums: v128): i32 {
  return (
    i32x4.extract_lane(sums, 0) +
    i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) +
    i32x4.extract_lane(sums, 3)
  );
}

/**
 * Orders weights by pairs of inputs: [outputs / 8][channels / 2][taps][8 outputs][2] int8, for transformFilters. Missing
 * outputs and channels become zeros, for which `to` must be cleared.
 * @param channels inputs, rounded up to a multiple of 8
 */
export function orderByPair(
  weights: usize,
  outputs: i32,
  inputs: i32,
  taps: i32,
  channels: i32,
  zero: i32,
  to: usize,
): void {
  for (let o = 0; o < outputs; o++) {
    const block = to + <usize>(o >> 3) * <usize>channels * <usize>taps * 8 + ((<usize>(o & 7)) << 1);
    for (let c = 0; c < inputs; c++) {
      let at = block + <usize>(c >> 1) * <usize>taps * 16 + (c & 1);
      for (let tap = 0; tap < taps; tap++) {
        store<u8>(at, load<u8>(weights) - <u8>zero);
        weights++;
        at += 16;
      }
    }
  }
}

/**
 * Orders weights by taps: [outputs / 8][depth / 2][8 outputs][2] int8, where the depth counts taps and, within a tap, the
 * channels. This is the order of `gather`. Missing outputs and channels become zeros, for which `to` must be cleared.
 * @param channels values of the map per pixel
 * @param depth taps * channels, rounded up to a multiple of 8
 */
export function orderByTap(
  weights: usize,
  outputs: i32,
  inputs: i32,
  taps: i32,
  channels: i32,
  depth: i32,
  zero: i32,
  to: usize,
): void {
  for (let o = 0; o < outputs; o++) {
    const block = to + <usize>(o >> 3) * <usize>depth * 8 + ((<usize>(o & 7)) << 1);
    for (let c = 0; c < inputs; c++) {
      let k = c;
      for (let tap = 0; tap < taps; tap++) {
        store<u8>(block + <usize>(k >> 1) * 16 + (k & 1), load<u8>(weights) - <u8>zero);
        weights++;
        k += channels;
      }
    }
  }
}
