/**
 * The intra prediction of VP8 (RFC 6386, section 12). Blocks are predicted in place, from the samples beside them: `at`
 * is the index of a block's first sample, at - stride of the one above it, and at - 1 of the one to its left.
 */
import { BlockMode, SubblockMode } from "./vp8-tables.ts";

/** Predicts a whole block of `size` x `size` samples: 16 for luma, 8 for chroma. */
export function predictBlock(
  mode: number,
  samples: Uint8ClampedArray,
  at: number,
  stride: number,
  size: number,
  hasAbove: boolean,
  hasLeft: boolean,
): void {
  const end = at + size * stride;
  if (mode === BlockMode.dc) {
    const level = meanOfBorder(samples, at, stride, size, hasAbove, hasLeft);
    for (let row = at; row < end; row += stride) samples.fill(level, row, row + size);
  } else if (mode === BlockMode.vertical) {
    for (let row = at; row < end; row += stride) samples.copyWithin(row, at - stride, at - stride + size);
  } else if (mode === BlockMode.horizontal) {
    for (let row = at; row < end; row += stride) samples.fill(samples[row - 1]!, row, row + size);
  } else {
    predictTrueMotion(samples, at, stride, size);
  }
}

/** Leaves out the sides that are outside the image. 128 if both are. */
function meanOfBorder(
  samples: Uint8ClampedArray,
  at: number,
  stride: number,
  size: number,
  hasAbove: boolean,
  hasLeft: boolean,
): number {
  if (!hasAbove && !hasLeft) return 128;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    if (hasAbove) sum += samples[at - stride + i]!;
    if (hasLeft) sum += samples[at - 1 + i * stride]!;
  }
  const count = hasAbove && hasLeft ? 2 * size : size;
  return Math.floor((sum + count / 2) / count);
}

/** Adds to each sample above the difference between the sample to the left and the one in the corner. */
function predictTrueMotion(samples: Uint8ClampedArray, at: number, stride: number, size: number): void {
  const above = at - stride;
  const corner = samples[above - 1]!;
  for (let y = 0, row = at; y < size; y++, row += stride) {
    const difference = samples[row - 1]! - corner;
    for (let x = 0; x < size; x++) samples[row + x] = samples[above + x]! + difference;
  }
}

/**
 * The border of a subblock, from its lower left corner clockwise: 4 samples to the left, the corner, 8 above. Decoding
 * is synchronous, so all decodes share this array.
 */
const border = new Int32Array(13);
const corner = 4;

/** Sample `i` of the border as the mean of its neighbours and twice itself. */
function smooth(i: number): number {
  return (border[i - 1]! + 2 * border[i]! + border[i + 1]! + 2) >> 2;
}

/** Mean of samples `i` and i + 1 of the border. */
function between(i: number): number {
  return (border[i]! + border[i + 1]! + 1) >> 1;
}

/**
 * Predicts 4x4 luma samples (section 12.3).
 * @param aboveRight index of the four samples that follow those above the block
 */
export function predictSubblock(
  mode: number,
  samples: Uint8ClampedArray,
  at: number,
  stride: number,
  aboveRight: number,
): void {
  if (mode === SubblockMode.trueMotion) {
    predictTrueMotion(samples, at, stride, 4);
    return;
  }
  const above = at - stride;
  for (let i = 0; i < 4; i++) {
    border[3 - i] = samples[at - 1 + i * stride]!;
    border[5 + i] = samples[above + i]!;
    border[9 + i] = samples[aboveRight + i]!;
  }
  border[corner] = samples[above - 1]!;
  switch (mode) {
    case SubblockMode.dc:
      predictMean(samples, at, stride);
      break;
    case SubblockMode.vertical:
      predictColumns(samples, at, stride);
      break;
    case SubblockMode.horizontal:
      predictRows(samples, at, stride);
      break;
    case SubblockMode.leftDown:
      predictLeftDown(samples, at, stride);
      break;
    case SubblockMode.rightDown:
      predictRightDown(samples, at, stride);
      break;
    case SubblockMode.verticalRight:
      predictVerticalRight(samples, at, stride);
      break;
    case SubblockMode.verticalLeft:
      predictVerticalLeft(samples, at, stride);
      break;
    case SubblockMode.horizontalDown:
      predictHorizontalDown(samples, at, stride);
      break;
    default:
      predictHorizontalUp(samples, at, stride);
  }
}

function predictMean(samples: Uint8ClampedArray, at: number, stride: number): void {
  let sum = 4;
  for (let i = 0; i < 4; i++) sum += border[i]! + border[5 + i]!;
  for (let y = 0, row = at; y < 4; y++, row += stride) setRow(samples, row, sum >> 3);
}

function predictColumns(samples: Uint8ClampedArray, at: number, stride: number): void {
  for (let x = 0; x < 4; x++) {
    const level = smooth(5 + x);
    for (let y = 0, to = at + x; y < 4; y++, to += stride) samples[to] = level;
  }
}

function predictRows(samples: Uint8ClampedArray, at: number, stride: number): void {
  setRow(samples, at, smooth(3));
  setRow(samples, at + stride, smooth(2));
  setRow(samples, at + 2 * stride, smooth(1));
  setRow(samples, at + 3 * stride, (border[1]! + 3 * border[0]! + 2) >> 2);
}

function setRow(samples: Uint8ClampedArray, row: number, level: number): void {
  samples[row] = level;
  samples[row + 1] = level;
  samples[row + 2] = level;
  samples[row + 3] = level;
}

/** Sample (y, x) is sample y + x of a diagonal. */
function predictLeftDown(samples: Uint8ClampedArray, at: number, stride: number): void {
  for (let i = 0; i < 7; i++) {
    const level = i < 6 ? smooth(6 + i) : (border[11]! + 3 * border[12]! + 2) >> 2;
    setDiagonal(samples, at, stride, i, level);
  }
}

/** Sets the samples (y, x) with y + x = `sum`. */
function setDiagonal(
  samples: Uint8ClampedArray,
  at: number,
  stride: number,
  sum: number,
  level: number,
): void {
  const first = Math.max(0, sum - 3);
  const last = Math.min(3, sum);
  for (let y = first; y <= last; y++) samples[at + y * stride + sum - y] = level;
}

/** Sample (y, x) depends on x - y only. */
function predictRightDown(samples: Uint8ClampedArray, at: number, stride: number): void {
  for (let i = 1; i <= 7; i++) {
    const level = smooth(i);
    const first = Math.max(0, corner - i);
    const last = Math.min(3, 7 - i);
    for (let y = first; y <= last; y++) samples[at + y * stride + y + i - corner] = level;
  }
}

function predictVerticalRight(samples: Uint8ClampedArray, at: number, stride: number): void {
  const second = at + stride;
  const third = second + stride;
  const fourth = third + stride;
  samples[fourth] = smooth(2);
  samples[third] = smooth(3);
  samples[second] = samples[fourth + 1] = smooth(4);
  samples[at] = samples[third + 1] = between(4);
  samples[second + 1] = samples[fourth + 2] = smooth(5);
  samples[at + 1] = samples[third + 2] = between(5);
  samples[second + 2] = samples[fourth + 3] = smooth(6);
  samples[at + 2] = samples[third + 3] = between(6);
  samples[second + 3] = smooth(7);
  samples[at + 3] = between(7);
}

function predictVerticalLeft(samples: Uint8ClampedArray, at: number, stride: number): void {
  const second = at + stride;
  const third = second + stride;
  const fourth = third + stride;
  samples[at] = between(5);
  samples[second] = smooth(6);
  samples[at + 1] = samples[third] = between(6);
  samples[second + 1] = samples[fourth] = smooth(7);
  samples[at + 2] = samples[third + 1] = between(7);
  samples[second + 2] = samples[fourth + 1] = smooth(8);
  samples[at + 3] = samples[third + 2] = between(8);
  samples[second + 3] = samples[fourth + 2] = smooth(9);
  // The last two do not follow the pattern.
  samples[third + 3] = smooth(10);
  samples[fourth + 3] = smooth(11);
}

function predictHorizontalDown(samples: Uint8ClampedArray, at: number, stride: number): void {
  const second = at + stride;
  const third = second + stride;
  const fourth = third + stride;
  samples[fourth] = between(0);
  samples[fourth + 1] = smooth(1);
  samples[third] = samples[fourth + 2] = between(1);
  samples[third + 1] = samples[fourth + 3] = smooth(2);
  samples[second] = samples[third + 2] = between(2);
  samples[second + 1] = samples[third + 3] = smooth(3);
  samples[at] = samples[second + 2] = between(3);
  samples[at + 1] = samples[second + 3] = smooth(4);
  samples[at + 2] = smooth(5);
  samples[at + 3] = smooth(6);
}

function predictHorizontalUp(samples: Uint8ClampedArray, at: number, stride: number): void {
  const second = at + stride;
  const third = second + stride;
  const last = border[0]!;
  samples[at] = between(2);
  samples[at + 1] = smooth(2);
  samples[at + 2] = samples[second] = between(1);
  samples[at + 3] = samples[second + 1] = smooth(1);
  samples[second + 2] = samples[third] = between(0);
  samples[second + 3] = samples[third + 1] = (border[1]! + 3 * last + 2) >> 2;
  // No samples are known on the other diagonals.
  samples[third + 2] = last;
  samples[third + 3] = last;
  setRow(samples, third + stride, last);
}
