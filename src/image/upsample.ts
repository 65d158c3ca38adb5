/**
 * Scales rows of a subsampled component to the width and height of the image.
 * - Half as wide, half as high or both: libjpeg-turbo's "fancy" upsampling, a triangle filter, bit for bit. Its rounding
 *   alternates, so that the mean does not shift.
 * - Other ratios: at full size, samples are repeated, as in libjpeg. At lower scales they are interpolated linearly,
 *   because the error of repeating them grows with the size of a block.
 */
import { freeBytes } from "../bytes/free-bytes.ts";
import type { ComponentRows } from "./component-rows.ts";
import type { Eighths } from "./rgb-image.ts";
import type { ScaledComponent } from "./scaled-frame.ts";

type Method = "none" | "h2v1" | "h1v2" | "h2v2" | "repeat" | "linear";

/** libjpeg does not interpolate horizontally in components of at most this many samples per row. */
const narrow = 2;

function methodOf({ ratioX, ratioY, sampleWidth }: ScaledComponent, eighths: Eighths): Method {
  if (ratioX === 1 && ratioY === 1) return "none";
  if (ratioX === 1 && ratioY === 2) return "h1v2";
  if (ratioX === 2 && ratioY <= 2 && sampleWidth > narrow) return ratioY === 2 ? "h2v2" : "h2v1";
  return eighths === 8 ? "repeat" : "linear";
}

/** Whether an output row also depends on the sample rows above or below it. */
export function blendsRows(component: ScaledComponent, eighths: Eighths): boolean {
  return component.ratioY > 1 && ["h1v2", "h2v2", "linear"].includes(methodOf(component, eighths));
}

/** Bytes of the arrays of an Upsampler. */
export function upsamplerBytes(component: ScaledComponent, eighths: Eighths): number {
  const method = methodOf(component, eighths);
  const output = method === "none" ? 0 : component.sampleWidth * component.ratioX;
  return output + (method === "linear" ? 2 * component.sampleWidth : 0);
}

/** A component's rows at the size of the image. */
export class Upsampler {
  readonly #rows: ComponentRows;
  readonly #method: Method;
  readonly #output: Uint8ClampedArray;
  readonly #blended: Uint16Array | undefined;
  /** The row that select() computed: one sample per output pixel, from index `at` of `samples`. */
  samples: Uint8ClampedArray;
  at = 0;

  constructor(rows: ComponentRows, eighths: Eighths) {
    const { shape } = rows;
    this.#rows = rows;
    this.#method = methodOf(shape, eighths);
    this.#output =
      this.#method === "none" ? rows.samples : new Uint8ClampedArray(shape.sampleWidth * shape.ratioX);
    this.#blended = this.#method === "linear" ? new Uint16Array(shape.sampleWidth) : undefined;
    this.samples = this.#output;
  }

  /** Computes row `y` of the output. ComponentRows must hold the sample rows that it needs. */
  select(y: number): void {
    const { sampleHeight, ratioY } = this.#rows.shape;
    const row = Math.floor(y / ratioY);
    if (this.#method === "none") {
      this.at = this.#rows.sampleRow(row);
      return;
    }
    const inLowerHalf = y % ratioY >= ratioY / 2;
    const other = Math.min(Math.max(inLowerHalf ? row + 1 : row - 1, 0), sampleHeight - 1);
    const near = this.#rows.sampleRow(row);
    const far = this.#rows.sampleRow(other);
    if (this.#method === "h2v2") this.#h2v2(near, far);
    else if (this.#method === "h2v1") this.#h2v1(near);
    else if (this.#method === "h1v2") this.#h1v2(near, far, inLowerHalf ? 2 : 1);
    else if (this.#method === "repeat") this.#repeat(near);
    else this.#linear(near, far, Math.abs(2 * (y % ratioY) + 1 - ratioY));
  }

  /** Frees the arrays. No rows can be computed afterwards. */
  free(): void {
    freeBytes(this.#output);
    if (this.#blended) freeBytes(this.#blended);
  }

  #h2v1(near: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    const last = shape.sampleWidth - 1;
    let before = samples[near]!;
    let here = before;
    for (let i = 0; i <= last; i++) {
      const after = i < last ? samples[near + i + 1]! : here;
      output[2 * i] = (3 * here + before + 1) >> 2;
      output[2 * i + 1] = (3 * here + after + 2) >> 2;
      before = here;
      here = after;
    }
  }

  #h1v2(near: number, far: number, rounding: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    for (let i = 0; i < shape.sampleWidth; i++) {
      output[i] = (3 * samples[near + i]! + samples[far + i]! + rounding) >> 2;
    }
  }

  #h2v2(near: number, far: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    const last = shape.sampleWidth - 1;
    let before = 3 * samples[near]! + samples[far]!;
    let here = before;
    for (let i = 0; i <= last; i++) {
      const after = i < last ? 3 * samples[near + i + 1]! + samples[far + i + 1]! : here;
      output[2 * i] = (3 * here + before + 8) >> 4;
      output[2 * i + 1] = (3 * here + after + 7) >> 4;
      before = here;
      here = after;
    }
  }

  #repeat(near: number): void {
    const { samples, shape } = this.#rows;
    const output = this.#output;
    let to = 0;
    for (let i = near; i < near + shape.sampleWidth; i++) {
      const sample = samples[i]!;
      for (const end = to + shape.ratioX; to < end; to++) output[to] = sample;
    }
  }

  /** @param farWeight weight of the farther row, in parts of 2 * ratioY */
  #linear(near: number, far: number, farWeight: number): void {
    const { samples, shape } = this.#rows;
    const { sampleWidth, ratioX, ratioY } = shape;
    const output = this.#output;
    const blended = this.#blended!;
    for (let i = 0; i < sampleWidth; i++) {
      blended[i] = samples[near + i]! * (2 * ratioY - farWeight) + samples[far + i]! * farWeight;
    }
    const full = 4 * ratioX * ratioY;
    for (let i = 0; i < sampleWidth; i++) {
      const here = blended[i]!;
      const before = blended[Math.max(i - 1, 0)]!;
      const after = blended[Math.min(i + 1, sampleWidth - 1)]!;
      for (let j = 0; j < ratioX; j++) {
        // Distance of the pixel's centre from the sample's, in parts of 2 * ratioX.
        const distance = 2 * j + 1 - ratioX;
        const beside = distance < 0 ? before : after;
        const weight = Math.abs(distance);
        output[i * ratioX + j] = (here * (2 * ratioX - weight) + beside * weight + full / 2) / full;
      }
    }
  }
}
