/**
 * A program that decodes hundreds of images in turn and prints the memory of its process. It is a separate process with V8's
 * default settings, so that only ordinary garbage collection frees memory.
 */
import sharp from "sharp";
import { ClassifierError } from "../../src/errors.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import { fuzzPreprocessing } from "../fuzz/attempt.ts";
import { acRefinementBomb, dcRefinementBomb, huffmanTableBomb } from "../fuzz/bombs.ts";

export interface ChurnMemory {
  readonly decodes: number;
  /** Bytes after the first tenth of the decodes, and at the end. */
  readonly residentBytes: readonly [number, number];
  /** Bytes outside of the JS heap (WASM memories and ArrayBuffers): after the first tenth, and the maximum after any decode. */
  readonly externalBytes: readonly [number, number];
}

/** A panorama that is decoded at 4/8, of noise that leaves few coefficients at zero. */
export async function progressivePanorama(seed: number): Promise<Uint8Array> {
  const noise = { type: "gaussian", mean: 100 + (seed % 50), sigma: 20 } as const;
  const create = { width: 8000, height: 510, channels: 3, background: "black", noise } as const;
  return new Uint8Array(await sharp({ create }).jpeg({ progressive: true, quality: 40 }).toBuffer());
}

async function churn(decodes: number): Promise<ChurnMemory> {
  const files = [
    await progressivePanorama(1),
    await progressivePanorama(2),
    acRefinementBomb(16, 3300, 2900),
    acRefinementBomb(17, 640, 480),
    dcRefinementBomb(2, 4000, 3000),
    huffmanTableBomb(64 * 1024),
  ];
  const measure = () => process.memoryUsage();
  let first = measure();
  let mostExternal = 0;
  for (let n = 0; n < decodes; n++) {
    if (n === Math.floor(decodes / 10)) first = measure();
    const file = files[n % files.length]!;
    // Bytes after the end give the file another hash.
    const bytes = new Uint8Array(file.length + 4);
    bytes.set(file);
    new DataView(bytes.buffer).setUint32(file.length, n);
    try {
      await imageToTensor(bytes, fuzzPreprocessing, decodeLimits);
    } catch (error) {
      if (!(error instanceof ClassifierError)) throw error;
    }
    bytes.buffer.transfer(0);
    mostExternal = Math.max(mostExternal, measure().external);
  }
  return {
    decodes,
    residentBytes: [first.rss, measure().rss],
    externalBytes: [first.external, mostExternal],
  };
}

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(await churn(Number(process.argv[2]))));
}
