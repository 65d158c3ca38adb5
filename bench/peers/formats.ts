/** Decodes PNG and WebP with this project's code and with its alternatives, from the file to the model's input. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { imageToTensor, preprocess } from "../../src/image/preprocess.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { peakProcessBytes, timeEach } from "./timing.ts";

/** The decoders. */
export const formatDecoders = ["ours", "jsquash", "sharp"] as const;
/** One of {@link formatDecoders}. */
export type FormatDecoder = (typeof formatDecoders)[number];

/**
 * Times one decoder on one file.
 * @returns milliseconds of each run, and how much the process has grown since the decoder was ready
 */
export async function decodeFormat(argument: {
  readonly decoder: FormatDecoder;
  readonly format: "png" | "webp";
  readonly file: string;
  readonly preprocessing: Preprocessing;
  readonly times: number;
}) {
  const { decoder, format, file, preprocessing, times } = argument;
  const bytes = new Uint8Array(await readFile(file));
  const tensorOf = await decoders[decoder](format, preprocessing);
  const beforeBytes = await peakProcessBytes();
  await tensorOf(bytes);
  const grownBytes = (await peakProcessBytes()) - beforeBytes;
  return { ms: await timeEach(() => tensorOf(bytes), times), grownBytes };
}

type ToTensor = (bytes: Uint8Array) => Promise<Float32Array>;

const decoders: Readonly<
  Record<FormatDecoder, (format: "png" | "webp", preprocessing: Preprocessing) => Promise<ToTensor>>
> = {
  async ours(_, preprocessing) {
    return async (bytes) => (await imageToTensor(bytes, preprocessing, decodeLimits)).tensor;
  },

  /** Rust's png and libwebp as WebAssembly. They return the whole image in RGBA. */
  async jsquash(format, preprocessing) {
    const decode = await (format === "png" ? jsquashPng() : jsquashWebp());
    return async (bytes) => {
      const { width, height, data } = await decode(bytes.slice().buffer);
      return preprocess({ width, height, data: overWhite(data) }, preprocessing);
    };
  },

  /** libvips in native code, on one thread. */
  async sharp(_, preprocessing) {
    sharp.concurrency(1);
    sharp.cache(false);
    return async (bytes) => {
      const image = sharp(bytes, { limitInputPixels: false }).flatten({ background: "white" });
      const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
      return preprocess({ width: info.width, height: info.height, data }, preprocessing);
    };
  },
};

/** What the packages expect of a browser. */
Object.assign(globalThis, {
  ImageData: class {
    readonly data: Uint8ClampedArray;
    readonly width: number;
    readonly height: number;
    constructor(data: Uint8ClampedArray, width: number, height: number) {
      [this.data, this.width, this.height] = [data, width, height];
    }
  },
});

async function jsquashPng() {
  const { decode, init } = await import("@jsquash/png/decode.js");
  await init(await wasm("@jsquash/png/codec/pkg/squoosh_png_bg.wasm"));
  return (buffer: ArrayBuffer) => decode(buffer);
}

async function jsquashWebp() {
  const { default: decode, init } = await import("@jsquash/webp/decode.js");
  await init({ wasmBinary: (await wasm("@jsquash/webp/codec/dec/webp_dec.wasm")).buffer as ArrayBuffer });
  return decode;
}

async function wasm(specifier: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(fileURLToPath(import.meta.resolve(specifier))));
}

/** RGBA over white, as RGB. */
function overWhite(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const alpha = rgba[from + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      rgb[to + channel] = (rgba[from + channel]! * alpha + 255 * (255 - alpha)) / 255;
    }
  }
  return rgb;
}
