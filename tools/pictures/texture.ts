/**
 * A tile of grain at every scale, which makes a drawn scene cost about as many bytes a pixel as a photograph does. The
 * same on every machine.
 */
import sharp from "sharp";
import { Random } from "../pack/random.ts";

/** Deviation of the finest octave, in levels of 0 to 255. */
const finestDeviation = 7;
/** Each octave is so many times stronger than the next finer one: nature's spectra fall off with frequency. */
const octaveGain = 1.3;

/** RGB pixels of a square tile around mid-grey. @param side pixels, a power of two */
export async function textureTile(side: number, octaves = 5): Promise<Buffer> {
  const random = new Random(12);
  const sum = new Float32Array(side * side);
  for (let octave = 0; octave < octaves; octave++) {
    const coarse = side >> octave;
    // Drawn at a fixed contrast, so that bytes hold it well; scaled when it is added.
    const noise = Buffer.from(
      Uint8Array.from({ length: coarse * coarse }, () => level(128 + 40 * random.normal())),
    );
    const enlarged = await sharp(noise, { raw: { width: coarse, height: coarse, channels: 1 } })
      .resize(side, side, { kernel: "cubic" })
      .extractChannel(0)
      .raw()
      .toBuffer();
    const gain = (finestDeviation * octaveGain ** octave) / 40;
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + gain * (enlarged[i]! - 128);
  }
  const tile = Buffer.alloc(side * side * 3);
  for (let i = 0; i < sum.length; i++) tile.fill(level(128 + sum[i]!), i * 3, i * 3 + 3);
  return tile;
}

function level(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)));
}
