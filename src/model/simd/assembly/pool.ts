/** Pooling and the dense layer, in ONNX Runtime's order of summation, on which the last bits of float32 depend. */

/**
 * The largest of each window of a u8 map. Values outside the map do not count.
 * @param from u8 [height][width][channels]
 * @param to u8 [rows][columns][channels]
 * @param channels multiple of 8
 */
export function maxPool(
  from: usize,
  height: i32,
  width: i32,
  channels: usize,
  to: usize,
  rows: i32,
  columns: i32,
  kernel: i32,
  stride: i32,
  padding: i32,
): void {
  for (let y = 0; y < rows; y++) {
    const top = max(y * stride - padding, 0);
    const bottom = min(y * stride - padding + kernel, height);
    for (let x = 0; x < columns; x++) {
      const left = max(x * stride - padding, 0);
      const right = min(x * stride - padding + kernel, width);
      for (let c: usize = 0; c < channels; c += 8) {
        let largest = i8x16.splat(0);
        for (let row = top; row < bottom; row++) {
          const start = from + <usize>(row * width) * channels + c;
          for (let column = left; column < right; column++) {
            largest = i8x16.max_u(largest, v128.load64_zero(start + <usize>column * channels));
          }
        }
        v128.store64_lane(to + c, largest, 0);
      }
      to += channels;
    }
  }
}

/**
 * GlobalAveragePool. ONNX Runtime adds every fourth pixel to one of four sums, adds these, then the up to three pixels
 * that are left, and divides (MlasPoolGlobalKernel in MLAS pooling.cpp).
 * @param from float32 [pixels][channels]
 * @param to float32 [channels]
 * @param channels multiple of 4
 */
export function averagePool(from: usize, pixels: usize, channels: usize, to: usize): void {
  const pixel = channels << 2;
  const fours = from + (pixels & ~3) * pixel;
  const end = from + pixels * pixel;
  const divisor = f32x4.splat(<f32>(<i32>pixels));
  for (let c: usize = 0; c < pixel; c += 16) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let sum2 = f32x4.splat(0);
    let sum3 = f32x4.splat(0);
    let at = from + c;
    while (at < fours) {
      sum0 = f32x4.add(sum0, v128.load(at));
      at += pixel;
      sum1 = f32x4.add(sum1, v128.load(at));
      at += pixel;
      sum2 = f32x4.add(sum2, v128.load(at));
      at += pixel;
      sum3 = f32x4.add(sum3, v128.load(at));
      at += pixel;
    }
    let sum = f32x4.add(f32x4.add(sum0, sum2), f32x4.add(sum1, sum3));
    for (; at < end; at += pixel) sum = f32x4.add(sum, v128.load(at));
    v128.store(to + c, f32x4.div(sum, divisor));
  }
}

/** Features whose products ONNX Runtime adds up before it adds their sum to the output (MLAS_SGEMM_PACKED_STRIDEK). */
const featuresPerSum = 256;

/**
 * Gemm of one row, with the weights transposed: bias + features * weights.
 * @param weights float32 [features][outputs]
 * @param outputs multiple of 4
 * @param to float32 [outputs]
 */
export function dense(
  features: usize,
  count: i32,
  weights: usize,
  bias: usize,
  outputs: usize,
  to: usize,
): void {
  const row = outputs << 2;
  for (let o: usize = 0; o < row; o += 16) {
    let total = v128.load(bias + o);
    let at = weights + o;
    for (let start = 0; start < count; start += featuresPerSum) {
      let sum = f32x4.splat(0);
      const end = min(start + featuresPerSum, count);
      for (let i = start; i < end; i++) {
        sum = f32x4.add(sum, f32x4.mul(v128.load(at), v128.load32_splat(features + ((<usize>i) << 2))));
        at += row;
      }
      total = f32x4.add(sum, total);
    }
    v128.store(to + o, total);
  }
}

/** From [rows][columns] to [columns][toColumns], float32. The columns beyond `rows` stay as they are. */
export function transpose(from: usize, rows: i32, columns: i32, to: usize, toColumns: usize): void {
  for (let row = 0; row < rows; row++) {
    let at = to + ((<usize>row) << 2);
    for (let column = 0; column < columns; column++) {
      store<f32>(at, load<f32>(from));
      from += 4;
      at += toColumns << 2;
    }
  }
}
