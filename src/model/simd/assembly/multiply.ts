/**
 * Integer matrix products, where a convolution spends most of its time. `i32x4.dot_i16x8_s` multiplies eight pairs of
 * int16 and adds neighbours: each int32 lane receives two products. So two input channels, a pair, lie side by side.
 */

/** Output channels that one product computes: two vectors of four int32 lanes. */
const outputs: usize = 8;
/** Bytes of one pair of input channels in B: eight outputs times two int16. */
const pairBytes: usize = outputs << 2;

/**
 * C = A * B for each of `planes` independent products. The sums wrap modulo 2^32.
 * @param a [planes][rows][depth] int16, planes `aPlane` bytes apart
 * @param b [planes][depth / 2][8 outputs][2] int16, planes `bPlane` bytes apart
 * @param c [planes][rows][8 outputs] int32, planes `cPlane` bytes apart
 * @param depth even
 */
export function multiply(
  a: usize,
  aPlane: usize,
  b: usize,
  bPlane: usize,
  c: usize,
  cPlane: usize,
  planes: i32,
  rows: i32,
  depth: i32,
): void {
  for (let plane = 0; plane < planes; plane++) {
    multiplyPlane(a, b, c, rows, (<usize>depth) << 1);
    a += aPlane;
    b += bPlane;
    c += cPlane;
  }
}

/** Four rows at a time keep eight accumulators in registers: six loads serve eight products. */
function multiplyPlane(a: usize, b: usize, c: usize, rows: i32, rowBytes: usize): void {
  const bEnd = b + (rowBytes >> 2) * pairBytes;
  for (; rows >= 4; rows -= 4) {
    let a0 = a;
    let a1 = a0 + rowBytes;
    let a2 = a1 + rowBytes;
    let a3 = a2 + rowBytes;
    a = a3 + rowBytes;
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let c2 = i32x4.splat(0);
    let c3 = i32x4.splat(0);
    let c4 = i32x4.splat(0);
    let c5 = i32x4.splat(0);
    let c6 = i32x4.splat(0);
    let c7 = i32x4.splat(0);
    for (let pair = b; pair < bEnd; pair += pairBytes) {
      const low = v128.load(pair);
      const high = v128.load(pair, 16);
      const x0 = v128.load32_splat(a0);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x0, low));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x0, high));
      a0 += 4;
      const x1 = v128.load32_splat(a1);
      c2 = i32x4.add(c2, i32x4.dot_i16x8_s(x1, low));
      c3 = i32x4.add(c3, i32x4.dot_i16x8_s(x1, high));
      a1 += 4;
      const x2 = v128.load32_splat(a2);
      c4 = i32x4.add(c4, i32x4.dot_i16x8_s(x2, low));
      c5 = i32x4.add(c5, i32x4.dot_i16x8_s(x2, high));
      a2 += 4;
      const x3 = v128.load32_splat(a3);
      c6 = i32x4.add(c6, i32x4.dot_i16x8_s(x3, low));
      c7 = i32x4.add(c7, i32x4.dot_i16x8_s(x3, high));
      a3 += 4;
    }
    v128.store(c, c0);
    v128.store(c, c1, 16);
    v128.store(c, c2, 32);
    v128.store(c, c3, 48);
    v128.store(c, c4, 64);
    v128.store(c, c5, 80);
    v128.store(c, c6, 96);
    v128.store(c, c7, 112);
    c += 128;
  }
  for (; rows > 0; rows--) {
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    for (let pair = b; pair < bEnd; pair += pairBytes) {
      const x = v128.load32_splat(a);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, v128.load(pair)));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x, v128.load(pair, 16)));
      a += 4;
    }
    v128.store(c, c0);
    v128.store(c, c1, 16);
    c += 32;
  }
}
