import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { tinySpec, zooBytes, zooGraph } from "../../../bench/stand-in/stand-in.ts";
import { packModel } from "../../../cli/pack/pack.ts";
import { syntheticPixels } from "../../../cli/pack/synthetic.ts";
import { type VerifyOptions, verifyPack } from "../../../cli/pack/verify.ts";

let options: VerifyOptions;
let parent: string;

beforeAll(async () => {
  parent = await mkdtemp(path.join(tmpdir(), "verify-"));
  const [against, folder, images] = ["tiny.onnx", "tiny", "images"].map((name) => path.join(parent, name));
  options = { against: against!, folder: folder!, images: images! };
  await writeFile(options.against, zooBytes(await zooGraph(tinySpec)));
  await writeFile(path.join(parent, "other.onnx"), zooBytes(await zooGraph({ ...tinySpec, seed: 99 })));
  await writeFile(path.join(parent, "seven.onnx"), zooBytes(await zooGraph({ ...tinySpec, classes: 7 })));
  await packModel({ file: options.against, out: options.folder, name: "tiny", precision: "int8" });
  await mkdir(options.images);
  for (let i = 0; i < 8; i++) {
    const raw = { width: 48, height: 40, channels: 3 } as const;
    const pixels = syntheticPixels(48, 500 + i).subarray(0, 48 * 40 * 3);
    await sharp(pixels, { raw })
      .jpeg()
      .toFile(path.join(options.images, `class-${i}-a.jpg`));
  }
}, 60_000);

describe("verifying", () => {
  test("a pack against its source finds them to agree", async () => {
    const { agreement, sameSource } = await verifyPack({ ...options, labelsFromNames: true });
    expect(sameSource).toBe(true);
    expect(agreement).toMatchObject({ images: 8, top5: 1 });
    expect(agreement.mean_kl).toBeLessThan(0.01);
    expect(agreement.accuracy).toBeDefined();
  });

  test("a pack against another model finds that they do not", async () => {
    const { agreement, sameSource } = await verifyPack({
      ...options,
      against: path.join(parent, "other.onnx"),
    });
    expect(sameSource).toBe(false);
    expect(agreement.worst_cosine).toBeLessThan(0.9);
    expect(agreement.mean_kl).toBeGreaterThan(0.01);
  });

  test("a pack against a model of other classes is refused", async () => {
    const attempt = verifyPack({ ...options, against: path.join(parent, "seven.onnx") });
    await expect(attempt).rejects.toThrow(/source has 7 classes and the pack 10/);
  });

  test("a pack with a damaged shard is refused", async () => {
    const file = path.join(options.folder, "shard-00.onnx");
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, 1000));
    await expect(verifyPack(options)).rejects.toThrow(/shard-00\.onnx has 1000 bytes; its manifest says/);
    await writeFile(file, whole.with(100, whole[100]! ^ 1));
    await expect(verifyPack(options)).rejects.toThrow(/shard-00\.onnx has SHA-256/);
    await writeFile(file, whole);
  });
});
