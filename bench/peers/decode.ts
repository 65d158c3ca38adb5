/** Measures and compares JPEG decoders. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import decodeMozjpeg, { init } from "@jsquash/jpeg/decode.js";
import { decode as decodeJpegJs } from "jpeg-js";
import sharp from "sharp";
import { imageToTensor, preprocess, toTensor } from "../../src/image/preprocess.ts";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { type DecoderName, decoderNames } from "../metrics.ts";
import { peakProcessBytes, timeEach } from "./timing.ts";

/** One decoder: from bytes to the model's input tensor and, if it has that step, to pixels. */
interface Decoder {
  /** Decodes all pixels. Undefined for decoders that shrink while decoding. */
  readonly pixels?: (jpeg: Uint8Array) => Promise<RgbImage>;
  readonly tensor: (jpeg: Uint8Array) => Promise<Float32Array>;
}

/** Times one decoder on some photos: milliseconds to all pixels, and to the tensor. */
export async function decode(argument: {
  readonly decoder: DecoderName;
  readonly preprocessing: Preprocessing;
  readonly photos: readonly { readonly name: string; readonly file: string }[];
  readonly times: number;
}) {
  const { photos, times } = argument;
  const { pixels, tensor } = await decoders[argument.decoder](argument.preprocessing);
  const answers: { name: string; pixelsMs: number[]; tensorMs: number[] }[] = [];
  for (const { name, file } of photos) {
    const jpeg = await readBytes(file);
    const pixelsMs = pixels ? await timeEach(() => pixels(jpeg), times) : [];
    answers.push({ name, pixelsMs, tensorMs: await timeEach(() => tensor(jpeg), times) });
  }
  return { photos: answers, peakProcessBytes: await peakProcessBytes() };
}

/** Returns the mean difference of each decoder's tensor from jpeg-js's, in levels of 0 to 255. */
export async function decodeAgreement(argument: {
  readonly file: string;
  readonly preprocessing: Preprocessing;
}) {
  const { file, preprocessing } = argument;
  const jpeg = await readBytes(file);
  const tensorOf = async (name: DecoderName) => (await decoders[name](preprocessing)).tensor(jpeg);
  const reference = await tensorOf("jpeg-js");
  const differences: Record<string, number> = {};
  for (const name of decoderNames) {
    const tensor = await tensorOf(name);
    let sum = 0;
    for (const [i, value] of tensor.entries()) {
      const channel = Math.floor((3 * i) / tensor.length);
      sum += Math.abs(value - reference[i]!) * 255 * preprocessing.std[channel]!;
    }
    differences[name] = sum / tensor.length;
  }
  return differences;
}

/** Prepares each decoder, including the compilation of its WebAssembly. */
const decoders: Readonly<Record<DecoderName, (preprocessing: Preprocessing) => Promise<Decoder>>> = {
  /** The Worker's code, with the Worker's limits. */
  async ours(preprocessing) {
    return { tensor: async (jpeg) => (await imageToTensor(jpeg, preprocessing, decodeLimits)).tensor };
  },

  async "jpeg-js"(preprocessing) {
    const options = { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: 4096 } as const;
    return fromPixels(preprocessing, async (jpeg) => decodeJpegJs(jpeg, options));
  },

  /** MozJPEG as WebAssembly. It has no scaled decoding, and returns RGBA. */
  async jsquash(preprocessing) {
    const wasm = fileURLToPath(import.meta.resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"));
    await init({ wasmBinary: (await readBytes(wasm)).buffer });
    return fromPixels(preprocessing, async (jpeg) => {
      const { width, height, data } = await decodeMozjpeg(jpeg.slice().buffer);
      return { width, height, data: withoutAlpha(data) };
    });
  },

  /** libvips shrinks while libjpeg-turbo decodes, in native code. One thread, like the others. */
  async sharp(preprocessing) {
    sharp.concurrency(1);
    sharp.cache(false);
    const { size, crop } = preprocessing;
    return {
      async tensor(jpeg) {
        const resized = sharp(jpeg).resize(size, size, { fit: "outside", kernel: "linear" });
        const { data, info } = await resized.removeAlpha().raw().toBuffer({ resolveWithObject: true });
        return toTensor(cropped({ width: info.width, height: info.height, data }, crop), preprocessing);
      },
    };
  },
};

/** Our code resizes and normalises the pixels, in a hundredth of the time of decoding. */
function fromPixels(preprocessing: Preprocessing, pixels: (jpeg: Uint8Array) => Promise<RgbImage>): Decoder {
  return { pixels, tensor: async (jpeg) => preprocess(await pixels(jpeg), preprocessing) };
}

function withoutAlpha(rgba: Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}

/** Cuts out the middle square, at the place of the reference preprocessing. */
function cropped({ width, height, data }: RgbImage, side: number): RgbImage {
  const left = Math.floor(width / 2) - Math.floor(side / 2);
  const top = Math.floor(height / 2) - Math.floor(side / 2);
  const square = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const start = ((top + y) * width + left) * 3;
    square.set(data.subarray(start, start + side * 3), y * side * 3);
  }
  return { width: side, height: side, data: square };
}

async function readBytes(file: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(file));
}
