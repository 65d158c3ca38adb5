import { describe, expect, test } from "vitest";
import { syntheticPixels } from "../../../cli/pack/synthetic.ts";

describe("synthetic pictures", () => {
  test("are the same for the same seed, and differ for others", () => {
    const pictures = Array.from({ length: 20 }, (_, seed) => syntheticPixels(24, seed));
    expect(syntheticPixels(24, 7)).toEqual(pictures[7]);
    expect(new Set(pictures.map((pixels) => pixels.join())).size).toBe(20);
  });

  test("are boards of bulbs on one dark ground twice in 128, which excite some networks far more than leaves", () => {
    const size = 96;
    const isBoard = (seed: number) => {
      const pixels = syntheticPixels(size, seed);
      const colours = Map.groupBy(
        Array.from({ length: size * size }, (_, i) => pixels.subarray(3 * i, 3 * i + 3).join()),
        (colour) => colour,
      );
      const counts = [...colours.values()].map(({ length }) => length);
      let edges = 0;
      for (let at = 0; at + 3 < pixels.length; at += 3) if (pixels[at + 3]! - pixels[at]! > 15) edges++;
      return Math.max(...counts) > (size * size) / 2 && counts.length < 500 && edges > 4 * size;
    };
    const boards = Array.from({ length: 128 }, (_, seed) => seed).filter(isBoard);
    expect(boards).toEqual([63, 127]);
  });

  test("have size * size RGB pixels, dark and bright, grey and coloured, smooth and sharp", () => {
    const size = 32;
    let [dark, bright, coloured, edges, flat] = [0, 0, 0, 0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const pixels = syntheticPixels(size, seed);
      expect(pixels).toHaveLength(size * size * 3);
      for (let i = 0; i + 5 < pixels.length; i += 3) {
        const [r, g, b] = [pixels[i]!, pixels[i + 1]!, pixels[i + 2]!];
        if (Math.max(r, g, b) < 64) dark++;
        if (Math.min(r, g, b) > 192) bright++;
        if (Math.max(r, g, b) - Math.min(r, g, b) > 60) coloured++;
        const step = Math.abs(pixels[i + 3]! - r);
        if (step > 40) edges++;
        if (step < 3) flat++;
      }
    }
    const total = 40 * size * size;
    for (const count of [dark, bright, coloured, edges, flat]) expect(count / total).toBeGreaterThan(0.02);
  });
});
