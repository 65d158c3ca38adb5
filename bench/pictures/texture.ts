/**
 * Draws a tile of grain at every scale. With it, a drawn scene has about as many bytes per pixel as a photograph. The
 * tile is the same on every machine.
 */
import sharp from "sharp";
import { Random } from "../../cli/pack/random.ts";

/** Standard deviation of the finest octave, in levels of 0 to 255. */
const finestDeviation = 7;
/** Strength of an octave over the next finer one: the spectra of photographs fall with frequency. */
const octaveGain = 1.3;

/** Returns the RGB pixels of a square tile around mid-grey. @param side pixels, a power of two */
export async function textureTile(side: number, octaves = 5): Promise<Buffer> {
  const random = new Random(12);
  const sum = new Float32Array(side * side);
  for (let octave = 0; octave < octaves; octave++) {
    const coarse = side >> octave;
    // A fixed contrast uses the range of a byte well. The sum scales it.
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
