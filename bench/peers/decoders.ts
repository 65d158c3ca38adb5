/** The JPEG decoders, each from bytes to the model's input tensor and, if it has that step, to pixels. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import decodeMozjpeg, { init } from "@jsquash/jpeg/decode.js";
import { decode as decodeJpegJs } from "jpeg-js";
import sharp from "sharp";
import { imageToTensor, preprocess } from "../../src/image/preprocess.ts";
import type { RgbImage } from "../../src/image/rgb-image.ts";
import { toTensor } from "../../src/image/tensor.ts";
import { decodeLimits } from "../../src/limits.ts";
import type { Preprocessing } from "../../src/model/manifest.ts";
import type { DecoderName } from "../subjects.ts";

/** One decoder. */
export interface Decoder {
  /** Decodes all pixels. Undefined for decoders that shrink while decoding. */
  readonly pixels?: (jpeg: Uint8Array) => Promise<RgbImage>;
  readonly tensor: (jpeg: Uint8Array) => Promise<Float32Array>;
}

/** Prepares a decoder, including the compilation of its WebAssembly. */
export async function createDecoder(name: DecoderName, preprocessing: Preprocessing): Promise<Decoder> {
  switch (name) {
    case "ours":
      return ours(preprocessing);
    case "jpeg-js":
      return fromPixels(preprocessing, async (jpeg) => {
        return decodeJpegJs(jpeg, { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: 4096 });
      });
    case "jsquash":
      return jsquash(preprocessing);
    case "sharp":
      return { tensor: (jpeg) => sharpTensor(jpeg, preprocessing) };
  }
}

/** The Worker's code, with the Worker's limits. */
function ours(preprocessing: Preprocessing): Decoder {
  return { tensor: async (jpeg) => imageToTensor(jpeg, preprocessing, decodeLimits).tensor };
}

/** MozJPEG as WebAssembly. It has no scaled decoding, and returns RGBA. */
async function jsquash(preprocessing: Preprocessing): Promise<Decoder> {
  const wasm = fileURLToPath(import.meta.resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"));
  await init({ wasmBinary: new Uint8Array(await readFile(wasm)).buffer });
  return fromPixels(preprocessing, async (jpeg) => {
    const { width, height, data } = await decodeMozjpeg(jpeg.slice().buffer);
    return { width, height, data: withoutAlpha(data) };
  });
}

/** libvips shrinks while libjpeg-turbo decodes, in native code. One thread, like the others. */
async function sharpTensor(jpeg: Uint8Array, preprocessing: Preprocessing): Promise<Float32Array> {
  sharp.concurrency(1);
  sharp.cache(false);
  const { size, crop } = preprocessing;
  const resized = sharp(jpeg).resize(size, size, { fit: "outside", kernel: "linear" });
  const { data, info } = await resized.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const image = cropped({ width: info.width, height: info.height, data }, crop);
  return toTensor(image, preprocessing);
}

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
