import { describe, expect, test } from "vitest";
import { syntheticPixels } from "../../../cli/pack/synthetic.ts";

describe("synthetic pictures", () => {
  test("are the same for the same seed, and differ for others", () => {
    const pictures = Array.from({ length: 20 }, (_, seed) => syntheticPixels(24, seed));
    expect(syntheticPixels(24, 7)).toEqual(pictures[7]);
    expect(new Set(pictures.map((pixels) => pixels.join())).size).toBe(20);
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
