/**
 * A JPEG at a fraction of its size, by the jpeg-decoder 0.1.22 (Rust) that imagescript 1.3.1 carries as WebAssembly: its
 * inverse DCT yields 1x1, 2x2, 4x4 or 8x8 samples a block, and no larger image ever exists. Pure; the compiled
 * imagescript/wasm/any/jpeg.wasm is injected.
 */
import { greyToRgb, hasColourTransform, inkToRgb } from "./colour.ts";
import type { JpegHeader } from "./jpeg-header.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import { undecodable } from "./jpeg-segments.ts";
import { app14Segment, streamPieces, totalLength, writePieces } from "./jpeg-stream.ts";
import type { Eighths, RgbImage, Size } from "./rgb-image.ts";

/** What jpeg.wasm exports. Pointers and lengths are bytes of its memory. */
interface JpegWasm {
  readonly memory: WebAssembly.Memory;
  walloc(bytes: number): number;
  /** An image, or failed / unscalable. Decodes at the least scale of which one side reaches its minimum, in pixels. */
  decode(pointer: number, bytes: number, minWidth: number, minHeight: number): number;
  decode_width(image: number): number;
  decode_height(image: number): number;
  /** 0: grey. 1: RGB. 2: CMYK, 255 being full ink. */
  decode_format(image: number): number;
  /** Start of the pixels; wlen tells their number of bytes after it. */
  decode_buffer(image: number): number;
  wlen(): number;
}

/** Results of JpegWasm.decode up to this are no images. */
const lastFailure = 1;

/** A side that no scale reaches (sides have 16 bits), so that the other side decides. */
const unreachable = 65_535;

/** Size of an image at `eighths` of its full size; a part of a pixel counts as one. */
export function scaledSize({ width, height }: Size, eighths: Eighths): Size {
  return { width: Math.ceil((width * eighths) / 8), height: Math.ceil((height * eighths) / 8) };
}

export class ScaledDecoder {
  readonly #module: WebAssembly.Module;
  #largestMemoryBytes = 0;

  /** @param module the compiled imagescript/wasm/any/jpeg.wasm */
  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  /** The largest WASM memory of any decode so far. Each decode has a memory of its own, garbage afterwards. */
  get largestMemoryBytes(): number {
    return this.#largestMemoryBytes;
  }

  /**
   * The image at `eighths` of its size: scaledSize, pixels as for decodeWithJpegJs. The pixels are a view of the
   * decoder's memory and keep all of it alive: drop them soon. The caller has checked the cost.
   * Throws image_undecodable. Entropy-coded data that ends early is not noticed: the rest of the image is grey.
   */
  decode(jpeg: CheckedJpeg, eighths: Eighths): RgbImage {
    const { header } = jpeg;
    const pieces = streamPieces(jpeg, app14Segment(adobeTransform(header)));
    const size = scaledSize(header, eighths);
    const upright = header.height >= header.width;
    // A fresh instance each: a trap leaves an instance unusable, and WASM memory never shrinks.
    const wasm = new WebAssembly.Instance(this.#module).exports as unknown as JpegWasm;
    try {
      const length = totalLength(pieces);
      const pointer = wasm.walloc(length);
      writePieces(pieces, new Uint8Array(wasm.memory.buffer, pointer, length));
      // The longer side alone decides: on the shorter one, two scales may come to the same number of pixels.
      const image = wasm.decode(
        pointer,
        length,
        upright ? unreachable : size.width,
        upright ? size.height : unreachable,
      );
      if (image >= 0 && image <= lastFailure) throw undecodable("its compressed data is broken");
      return readPixels(wasm, image);
    } catch (cause) {
      // Anything else is a trap: a Rust panic, or memory that could not grow.
      if (!(cause instanceof WebAssembly.RuntimeError)) throw cause;
      throw undecodable("its compressed data is broken", cause);
    } finally {
      this.#largestMemoryBytes = Math.max(this.#largestMemoryBytes, wasm.memory.buffer.byteLength);
    }
  }
}

function readPixels(wasm: JpegWasm, image: number): RgbImage {
  const width = wasm.decode_width(image);
  const height = wasm.decode_height(image);
  const format = wasm.decode_format(image);
  const start = wasm.decode_buffer(image);
  const pixels = new Uint8Array(wasm.memory.buffer, start, wasm.wlen());
  const data = format === 0 ? greyToRgb(pixels) : format === 2 ? inkToRgb(pixels) : pixels;
  return { width, height, data };
}

/** The Adobe transform that makes jpeg-decoder treat the components as what they are; it ignores JFIF and ids. */
function adobeTransform(header: JpegHeader): 0 | 1 | 2 {
  if (!hasColourTransform(header)) return 0;
  return header.components.length === 4 ? 2 : 1;
}
