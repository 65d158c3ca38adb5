/** From a convolution's sums to its output, and from float32 to u8, in ONNX Runtime's order of operations. */

/** 1.5 * 2^23: adding it to a float32 below 2^22 rounds to an integer, ties to even, in the low bits of the result. */
const roundingBias: f32 = 12582912;
const roundingBits: i32 = 0x4b400000;

/**
 * QLinearConv's output: u8((sum + bias) * scale), rounded to even and clipped (MLAS requantize.cpp).
 * @param sums int32 [rows][sumsColumns][8]
 * @param to u8, the first of eight channels of the first pixel
 * @param pixel bytes between pixels of `to`. Its rows lie side by side.
 * @param bias int32 [8]
 * @param scale float32 [8]
 */
export function requantise(
  sums: usize,
  sumsColumns: i32,
  rows: i32,
  columns: i32,
  to: usize,
  pixel: usize,
  bias: usize,
  scale: usize,
  zero: i32,
): void {
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const scale0 = v128.load(scale);
  const scale1 = v128.load(scale, 16);
  const low = f32x4.convert_i32x4_s(i32x4.splat(-zero));
  const high = f32x4.convert_i32x4_s(i32x4.splat(255 - zero));
  const magic = f32x4.splat(roundingBias);
  const unbias = i32x4.splat(roundingBits - zero);
  for (let y = 0; y < rows; y++) {
    let from = sums;
    for (let x = 0; x < columns; x++) {
      const real0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(v128.load(from), bias0)), scale0);
      const real1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(v128.load(from, 16), bias1)), scale1);
      const level0 = i32x4.sub(f32x4.add(f32x4.pmin(f32x4.pmax(real0, low), high), magic), unbias);
      const level1 = i32x4.sub(f32x4.add(f32x4.pmin(f32x4.pmax(real1, low), high), magic), unbias);
      const levels = i16x8.narrow_i32x4_s(level0, level1);
      v128.store64_lane(to, i8x16.narrow_i16x8_u(levels, levels), 0);
      from += 32;
      to += pixel;
    }
    sums += (<usize>sumsColumns) << 5;
  }
}

/**
 * ConvInteger, Cast, Mul and Add: float32(sum) * factor + bias.
 * @param sums int32 [rows][sumsColumns][8]
 * @param to float32, the first of eight channels of the first pixel
 * @param pixel bytes between pixels of `to`. Its rows lie side by side.
 * @param factor float32 [8]
 * @param bias float32 [8]
 */
export function toFloat(
  sums: usize,
  sumsColumns: i32,
  rows: i32,
  columns: i32,
  to: usize,
  pixel: usize,
  factor: usize,
  bias: usize,
): void {
  const factor0 = v128.load(factor);
  const factor1 = v128.load(factor, 16);
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  for (let y = 0; y < rows; y++) {
    let from = sums;
    for (let x = 0; x < columns; x++) {
      v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), factor0), bias0));
      v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 16)), factor1), bias1), 16);
      from += 32;
      to += pixel;
    }
    sums += (<usize>sumsColumns) << 5;
  }
}

/** As toFloat, then adds what `to` contains and clips at 0: the end of a residual block. */
export function addToShortcut(
  sums: usize,
  sumsColumns: i32,
  rows: i32,
  columns: i32,
  to: usize,
  pixel: usize,
  factor: usize,
  bias: usize,
): void {
  const factor0 = v128.load(factor);
  const factor1 = v128.load(factor, 16);
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const nothing = f32x4.splat(0);
  for (let y = 0; y < rows; y++) {
    let from = sums;
    for (let x = 0; x < columns; x++) {
      const branch0 = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from)), factor0), bias0);
      const branch1 = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(from, 16)), factor1), bias1);
      v128.store(to, f32x4.pmax(f32x4.add(branch0, v128.load(to)), nothing));
      v128.store(to, f32x4.pmax(f32x4.add(branch1, v128.load(to, 16)), nothing), 16);
      from += 32;
      to += pixel;
    }
    sums += (<usize>sumsColumns) << 5;
  }
}

/** QuantizeLinear: u8(x / scale) plus the zero point, rounded to even before it is added. `count` is a multiple of 8. */
export function quantise(from: usize, to: usize, count: usize, scale: f32, zero: i32): void {
  const scales = f32x4.splat(scale);
  const low = f32x4.convert_i32x4_s(i32x4.splat(-zero));
  const high = f32x4.convert_i32x4_s(i32x4.splat(255 - zero));
  const magic = f32x4.splat(roundingBias);
  const unbias = i32x4.splat(roundingBits - zero);
  for (const end = to + count; to < end; to += 8) {
    const real0 = f32x4.div(v128.load(from), scales);
    const real1 = f32x4.div(v128.load(from, 16), scales);
    const level0 = i32x4.sub(f32x4.add(f32x4.pmin(f32x4.pmax(real0, low), high), magic), unbias);
    const level1 = i32x4.sub(f32x4.add(f32x4.pmin(f32x4.pmax(real1, low), high), magic), unbias);
    const levels = i16x8.narrow_i32x4_s(level0, level1);
    v128.store64_lane(to, i8x16.narrow_i16x8_u(levels, levels), 0);
    from += 32;
  }
}

/** DequantizeLinear: (level - zero) * scale. `count` is a multiple of 8. */
export function dequantise(from: usize, to: usize, count: usize, scale: f32, zero: i32): void {
  const scales = f32x4.splat(scale);
  const zeros = i16x8.splat(<i16>zero);
  for (const end = from + count; from < end; from += 8) {
    const levels = i16x8.sub(v128.load8x8_u(from), zeros);
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(levels)), scales));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(levels)), scales), 16);
    to += 32;
  }
}

/** From [channels][pixels] to [pixels][channels], bytes. */
export function interleave(from: usize, to: usize, pixels: usize, channels: usize): void {
  for (let c: usize = 0; c < channels; c++) {
    let at = to + c;
    for (const end = from + pixels; from < end; from++) {
      store<u8>(at, load<u8>(from));
      at += channels;
    }
  }
}
