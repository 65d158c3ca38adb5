/**
 * Run as a program: decodes hundreds of images, one after the other, and prints what memory the process then has. A process of its
 * own, with V8's default settings, so that nothing but the collector's own judgement frees memory.
 */
import sharp from "sharp";
import { ClassifierError } from "../../src/errors.ts";
import { imageToTensor } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import { acRefinementBomb, dcRefinementBomb, huffmanTableBomb } from "../fuzz/bombs.ts";
import { fuzzPreprocessing } from "../fuzz/preprocessing.ts";

export interface ChurnMemory {
  readonly decodes: number;
  /** Bytes after the first tenth of the decodes, and at the end. */
  readonly residentBytes: readonly [number, number];
  /** Bytes outside of the JS heap, WASM memories and ArrayBuffers alike: after the first tenth, and the most after any decode. */
  readonly externalBytes: readonly [number, number];
}

/** A panorama, for which the scale would be 4/8, in noise that leaves few coefficients at zero. */
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
    // Bytes behind the end make it another file.
    const bytes = new Uint8Array(file.length + 4);
    bytes.set(file);
    new DataView(bytes.buffer).setUint32(file.length, n);
    try {
      imageToTensor(bytes, fuzzPreprocessing, decodeLimits);
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
