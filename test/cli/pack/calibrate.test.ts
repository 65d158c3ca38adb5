import { describe, expect, test } from "vitest";
import { tinySpec, zooGraph } from "../../../bench/stand-in/stand-in.ts";
import { writeOnnx } from "../../../cli/onnx/file.ts";
import { calibrate, sharpened } from "../../../cli/pack/calibrate.ts";
import { floatGraph } from "../../../cli/pack/emit.ts";
import type { ImageSet } from "../../../cli/pack/images.ts";
import { nativeSession } from "../../../cli/pack/native.ts";
import { Random } from "../../../cli/pack/random.ts";
import { readResNet } from "../../../cli/pack/read-resnet.ts";
import { noiseTensor } from "../../support/logits.ts";
import { preprocessingOf } from "../../support/preprocessing.ts";

const { size } = tinySpec;
const preprocessing = preprocessingOf(size);

describe("a sharpened image", () => {
  test("adds twice the difference from the mean of 5x5 pixels, between black and white", () => {
    const tensor = noiseTensor(size, 1);
    const result = sharpened(tensor, preprocessing);
    const at = (c: number, y: number, x: number) => tensor[(c * size + y) * size + x]!;
    for (const [c, y, x] of [
      [0, 0, 0],
      [1, 5, 9],
      [2, size - 1, 3],
    ] as const) {
      const around: number[] = [];
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) {
          const isInside = [y + dy, x + dx].every((place) => place >= 0 && place < size);
          if (isInside) around.push(at(c, y + dy, x + dx));
        }
      }
      const mean = around.reduce((sum, value) => sum + value, 0) / around.length;
      const { mean: means, std } = preprocessing;
      const [black, white] = [-means[c] / std[c], (1 - means[c]) / std[c]];
      const expected = Math.max(black, Math.min(white, at(c, y, x) + 2 * (at(c, y, x) - mean)));
      expect(result[(c * size + y) * size + x]).toBeCloseTo(expected, 5);
    }
  });

  test("without detail does not change", () => {
    const flat = new Float32Array(3 * size * size).fill(0.5);
    for (const value of sharpened(flat, preprocessing)) expect(value).toBeCloseTo(0.5, 6);
  });
});

test("ranges leave room for stronger detail than the calibration images have", async () => {
  const random = new Random(1);
  const tensor = Float32Array.from({ length: 3 * size * size }, () => 0.3 * random.normal());
  const images: ImageSet = { kind: "photographs", count: 1, name: () => "faint", tensor: async () => tensor };
  const net = readResNet(await zooGraph(tinySpec));
  const session = await nativeSession(writeOnnx(floatGraph(net, { size, probes: ["stem"] }).graph));
  const { data } = (await session.run(tensor, [1, 3, size, size])).get("stem")!;
  await session.release();
  const range = (await calibrate(net, images, preprocessing)).get("stem")!;
  expect(255 * range.scale).toBeGreaterThan(1.5 * Math.max(...data));
});
