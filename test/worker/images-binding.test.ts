/** AVIF, with the Images binding that wrangler emulates. */
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

const configPath = path.join(projectFolder, "wrangler.images-test.toml");
let worker: TestWorker;

beforeAll(async () => {
  const toml = await readFile(path.join(projectFolder, "wrangler.toml"), "utf8");
  await writeFile(configPath, `${toml}\n[images]\nbinding = "IMAGES"\n`);
  worker = await TestWorker.start({ configPath });
});

afterAll(async () => {
  await worker?.close();
  await rm(configPath, { force: true });
});

describe("with the Images binding", () => {
  test("an AVIF is classified like the JPEG, with its own hash and size", async () => {
    const image = await sharp(await exampleImage("teapot"))
      .avif()
      .toBuffer();
    const { status, json } = await worker.classify(image, "?top_k=1");
    expect(status).toBe(200);
    expect(json.predictions).toMatchObject([{ label: "teapot" }]);
    expect(json.image).toMatchObject({ width: 1200, height: 900 });
    expect((await worker.classify(image)).headers.get("X-Cache")).toBe("HIT");
  });

  test("a damaged AVIF is refused, and the next image is answered", async () => {
    const avif = await sharp(await exampleImage("teapot"))
      .avif()
      .toBuffer();
    const { status, json } = await worker.classify(avif.subarray(0, 1000));
    expect([422, 503]).toContain(status);
    expect(json.code).toMatch(/^(image_undecodable|conversion_unavailable)$/);
    expect((await worker.classify(await exampleImage("ladybug"))).status).toBe(200);
  });
});
