/** Bytes of all arrays that a decode allocates, computed before it allocates any. Pure. */
import { componentRowsBytes } from "./component-rows.ts";
import type { CheckedJpeg } from "./jpeg-scans.ts";
import type { Eighths } from "./rgb-image.ts";
import { scaledComponents, scaledSize } from "./scaled-frame.ts";
import { huffmanBytes } from "./scan-reader.ts";
import { upsamplerBytes } from "./upsample.ts";

/**
 * Bytes that decoding a file at `eighths` of its size holds: coefficients of one row of MCUs, samples of two, one row of
 * output, and Huffman tables. They grow with the width of the image and not with its height, and progressive files need no more
 * than sequential ones.
 */
export function decodeCostBytes(jpeg: CheckedJpeg, eighths: Eighths): number {
  const components = scaledComponents(jpeg.header, eighths);
  let bytes = huffmanBytes(jpeg, components) + scaledSize(jpeg.header, eighths).width * 3;
  for (const component of components)
    bytes += componentRowsBytes(component) + upsamplerBytes(component, eighths);
  return bytes;
}
