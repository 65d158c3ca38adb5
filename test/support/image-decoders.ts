/** The decoders as the Worker has them, each on its own, with the WebAssembly that it imports statically. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { decodeDcOnly } from "../../src/image/dc-decoder.ts";
import { type DecodeLimits, decodeJpeg } from "../../src/image/decode.ts";
import { parseJpegHeader } from "../../src/image/jpeg-header.ts";
import { decodeWithJpegJs } from "../../src/image/jpeg-js-decoder.ts";
import { checkJpeg } from "../../src/image/jpeg-scans.ts";
import type { Eighths, RgbImage, Size } from "../../src/image/rgb-image.ts";
import { ScaledDecoder } from "../../src/image/scaled-decoder.ts";

const wasmFile = createRequire(import.meta.url).resolve("imagescript/wasm/any/jpeg.wasm");
const wasm = new WebAssembly.Module(readFileSync(wasmFile));

export const newScaledDecoder = () => new ScaledDecoder(wasm);
const scaled = newScaledDecoder();

const check = (bytes: Uint8Array) => checkJpeg(bytes, parseJpegHeader(bytes));
export const jpegJs = (bytes: Uint8Array): RgbImage => decodeWithJpegJs(check(bytes));
export const scaledTo = (bytes: Uint8Array, eighths: Eighths): RgbImage =>
  scaled.decode(check(bytes), eighths);
export const dcOnly = (bytes: Uint8Array): RgbImage => decodeDcOnly(check(bytes));

/** Through the front door, at full size if it fits, or for an image of `target` pixels. */
export function decodeWithin(bytes: Uint8Array, limits: DecodeLimits, target?: Size) {
  return decodeJpeg(bytes, (fullSize) => target ?? fullSize, { ...limits, scaled });
}
