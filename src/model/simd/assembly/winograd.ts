/**
 * Winograd's minimal filtering F(4x4, 3x3) in integers (Lavin and Gray 2015, arXiv 1509.09308): 36 products for a tile of
 * 4x4 outputs instead of 144. docs/engine.md derives why the result equals the direct convolution bit for bit.
 *
 * The matrices are those of the paper, with the fractions of the filter's matrix moved to the output's, where they are
 * undone at the end: 24 times the paper's output per axis. All arithmetic on int32 is modulo 2^32.
 */

/** Bytes of a tile's side while it is transformed: six vectors. */
const sideBytes: usize = 96;
/** A tile between the two one-dimensional transforms: 6x6 vectors. */
const tile: usize = memory.data(576, 16);

/** The inverse of 9 modulo 2^32: 24 * 24 = 64 * 9, and multiplying by it divides by 9 exactly. */
const inverseOf9: i32 = 954437177;
/** The rest of 24 * 24: a division by 64. */
const shift: i32 = 6;

/**
 * Transforms the 6x6 tiles of a map: B^T d B. Tiles overlap by two pixels.
 * @param map u8 [tileRows * 4 + 2][..][channels], padded, rows `mapRow` bytes apart
 * @param a int16 [36][tileRows * tileColumns][channels], planes `aPlane` bytes apart
 * @param channels multiple of 8
 */
export function transformMap(
  map: usize,
  mapRow: usize,
  a: usize,
  aPlane: usize,
  tileRows: i32,
  tileColumns: i32,
  channels: usize,
): void {
  for (let y = 0; y < tileRows; y++) {
    let corner = map + <usize>y * 4 * mapRow;
    for (let x = 0; x < tileColumns; x++) {
      for (let c: usize = 0; c < channels; c += 8) {
        for (let column: usize = 0; column < 6; column++) {
          let at = corner + column * channels + c;
          const d0 = v128.load8x8_u(at);
          at += mapRow;
          const d1 = v128.load8x8_u(at);
          at += mapRow;
          const d2 = v128.load8x8_u(at);
          at += mapRow;
          const d3 = v128.load8x8_u(at);
          at += mapRow;
          const d4 = v128.load8x8_u(at);
          at += mapRow;
          const d5 = v128.load8x8_u(at);
          transformSix(d0, d1, d2, d3, d4, d5, tile + (column << 4), sideBytes);
        }
        let to = a + (c << 1);
        for (let row = tile; row < tile + 576; row += sideBytes) {
          const d0 = v128.load(row);
          const d1 = v128.load(row, 16);
          const d2 = v128.load(row, 32);
          const d3 = v128.load(row, 48);
          const d4 = v128.load(row, 64);
          const d5 = v128.load(row, 80);
          transformSix(d0, d1, d2, d3, d4, d5, to, aPlane);
          to += 6 * aPlane;
        }
      }
      corner += channels << 2;
      a += channels << 1;
    }
  }
}

/** B^T d. Stores six vectors of int16, `step` bytes apart. Grows values by at most 10, so 100 * 255 for both axes. */
function transformSix(
  d0: v128,
  d1: v128,
  d2: v128,
  d3: v128,
  d4: v128,
  d5: v128,
  to: usize,
  step: usize,
): void {
  const even = i16x8.sub(d4, d2);
  const odd = i16x8.shl(i16x8.sub(d3, d1), 1);
  const even4 = i16x8.sub(d4, i16x8.shl(d2, 2));
  const odd4 = i16x8.sub(d3, i16x8.shl(d1, 2));
  v128.store(to, i16x8.add(i16x8.shl(i16x8.sub(d0, d2), 2), even));
  to += step;
  v128.store(to, i16x8.add(even4, odd4));
  to += step;
  v128.store(to, i16x8.sub(even4, odd4));
  to += step;
  v128.store(to, i16x8.add(even, odd));
  to += step;
  v128.store(to, i16x8.sub(even, odd));
  to += step;
  v128.store(to, i16x8.add(i16x8.shl(i16x8.sub(d1, d3), 2), i16x8.sub(d5, d3)));
}

/**
 * Transforms the filters of eight output channels: G g G^T, with the rows of G scaled to integers.
 * @param weights int8 [channels / 2][9 taps][8 outputs][2]
 * @param b int16 [36][channels / 2][8 outputs][2], planes `bPlane` bytes apart
 */
export function transformFilters(weights: usize, b: usize, bPlane: usize, channels: usize): void {
  const end = weights + channels * 72;
  for (; weights < end; weights += 144) {
    transformFilter(weights, b, bPlane);
    transformFilter(weights + 8, b + 16, bPlane);
    b += 32;
  }
}

/** Eight filters: four outputs times two channels. */
function transformFilter(weights: usize, b: usize, bPlane: usize): void {
  for (let column: usize = 0; column < 3; column++) {
    const tap = weights + (column << 4);
    transformThree(
      v128.load8x8_s(tap),
      v128.load8x8_s(tap, 48),
      v128.load8x8_s(tap, 96),
      tile + (column << 4),
      sideBytes,
    );
  }
  for (let row = tile; row < tile + 576; row += sideBytes) {
    transformThree(v128.load(row), v128.load(row, 16), v128.load(row, 32), b, bPlane);
    b += 6 * bPlane;
  }
}

/** G g. Stores six vectors of int16, `step` bytes apart. Grows values by at most 7, so 49 * 128 for both axes. */
function transformThree(g0: v128, g1: v128, g2: v128, to: usize, step: usize): void {
  const sum = i16x8.add(g0, g2);
  const sum4 = i16x8.add(g0, i16x8.shl(g2, 2));
  const twice = i16x8.shl(g1, 1);
  v128.store(to, g0);
  to += step;
  v128.store(to, i16x8.add(sum, g1));
  to += step;
  v128.store(to, i16x8.sub(sum, g1));
  to += step;
  v128.store(to, i16x8.add(sum4, twice));
  to += step;
  v128.store(to, i16x8.sub(sum4, twice));
  to += step;
  v128.store(to, g2);
}

/**
 * Transforms products back to the sums of the convolution: A^T m A, divided by 24 per axis.
 * @param c int32 [36][tileRows * tileColumns][8 outputs], planes `cPlane` bytes apart
 * @param sums int32 [tileRows * 4][tileColumns * 4][8 outputs]
 */
export function transformProducts(
  c: usize,
  cPlane: usize,
  sums: usize,
  tileRows: i32,
  tileColumns: i32,
): void {
  const sumsRow = (<usize>tileColumns) << 7;
  for (let y = 0; y < tileRows; y++) {
    for (let x = 0; x < tileColumns; x++) {
      const corner = sums + ((<usize>x) << 7);
      transformProduct(c, cPlane, corner, sumsRow);
      transformProduct(c + 16, cPlane, corner + 16, sumsRow);
      c += 32;
    }
    sums += sumsRow << 2;
  }
}

/** One tile of four outputs. */
function transformProduct(c: usize, cPlane: usize, sums: usize, sumsRow: usize): void {
  for (let column: usize = 0; column < 6; column++) {
    let at = c + column * cPlane;
    const step: usize = 6 * cPlane;
    const m0 = v128.load(at);
    at += step;
    const m1 = v128.load(at);
    at += step;
    const m2 = v128.load(at);
    at += step;
    const m3 = v128.load(at);
    at += step;
    const m4 = v128.load(at);
    at += step;
    const m5 = v128.load(at);
    const to = tile + (column << 4);
    const sum12 = i32x4.shl(i32x4.add(m1, m2), 2);
    const difference12 = i32x4.shl(i32x4.sub(m1, m2), 2);
    const sum34 = i32x4.add(m3, m4);
    const difference34 = i32x4.shl(i32x4.sub(m3, m4), 1);
    v128.store(to, i32x4.sub(i32x4.add(times6(m0), sum34), sum12));
    v128.store(to, i32x4.sub(difference34, difference12), 96);
    v128.store(to, i32x4.sub(i32x4.shl(sum34, 2), sum12), 192);
    v128.store(
      to,
      i32x4.add(i32x4.sub(i32x4.shl(difference34, 2), difference12), i32x4.shl(times6(m5), 2)),
      288,
    );
  }
  for (let row = tile; row < tile + 384; row += sideBytes) {
    const m0 = v128.load(row);
    const m1 = v128.load(row, 16);
    const m2 = v128.load(row, 32);
    const m3 = v128.load(row, 48);
    const m4 = v128.load(row, 64);
    const m5 = v128.load(row, 80);
    const sum12 = i32x4.shl(i32x4.add(m1, m2), 2);
    const difference12 = i32x4.shl(i32x4.sub(m1, m2), 2);
    const sum34 = i32x4.add(m3, m4);
    const difference34 = i32x4.shl(i32x4.sub(m3, m4), 1);
    v128.store(sums, divided(i32x4.sub(i32x4.add(times6(m0), sum34), sum12)));
    v128.store(sums, divided(i32x4.sub(difference34, difference12)), 32);
    v128.store(sums, divided(i32x4.sub(i32x4.shl(sum34, 2), sum12)), 64);
    v128.store(
      sums,
      divided(i32x4.add(i32x4.sub(i32x4.shl(difference34, 2), difference12), i32x4.shl(times6(m5), 2))),
      96,
    );
    sums += sumsRow;
  }
}

function times6(m: v128): v128 {
  return i32x4.add(i32x4.shl(m, 2), i32x4.shl(m, 1));
}

/** Divides by 576. Exact for multiples of 576 whose quotient is below 2^25 in magnitude. */
function divided(m: v128): v128 {
  return i32x4.shr_s(i32x4.mul(m, i32x4.splat(inverseOf9)), shift);
}
