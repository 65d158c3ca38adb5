import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { chooseImages, type ImageSet, imagesFromFolder } from "../../../cli/pack/images.ts";
import { gradient } from "../../support/image-reference.ts";
import { preprocessingOf } from "../../support/preprocessing.ts";

let parent: string;

beforeAll(async () => {
  parent = await mkdtemp(path.join(tmpdir(), "choose-images-"));
});

/** A folder of that many photographs, ten a class; nobody decodes them. */
async function photographs(count: number): Promise<string> {
  const folder = path.join(parent, `photographs-${count}`);
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const name = `class-${String(Math.floor(i / 10)).padStart(3, "0")}-${i % 10}.jpg`;
    await writeFile(path.join(folder, name), "");
  }
  return folder;
}

const names = (images: ImageSet) => Array.from({ length: images.count }, (_, index) => images.name(index));
const choose = (options: Parameters<typeof chooseImages>[0]) => chooseImages(options, preprocessingOf(32));

describe("the images of a pack", () => {
  test.each([
    [2, 1, 1],
    [10, 8, 2],
    [125, 100, 25],
    [1500, 500, 200],
  ])("of %d photographs, %d calibrate and %d others are compared on", async (count, calibrating, heldOut) => {
    const { calibration, evaluation, composition } = await choose({ calibrateDir: await photographs(count) });
    expect(composition).toMatchObject({ kind: "photographs", images: calibrating });
    expect(evaluation).toMatchObject({ kind: "photographs", count: heldOut });
    const calibrated = new Set(names(calibration));
    expect(names(evaluation).filter((name) => calibrated.has(name))).toEqual([]);
  });

  test("that are held out cover each class of a sorted folder", async () => {
    const { evaluation } = await choose({ calibrateDir: await photographs(1500) });
    expect(new Set(names(evaluation).map((name) => name.slice(0, 9))).size).toBe(150);
  });

  test.each([
    [123, 99, 128],
    [125, 100, undefined],
  ])(
    "of %d photographs: beside %d photographs, synthetic pictures calibrate only if these are few",
    async (count, images, synthetic) => {
      const { calibration, composition } = await choose({ calibrateDir: await photographs(count) });
      expect(composition).toEqual({ kind: "photographs", images, ...(synthetic ? { synthetic } : {}) });
      expect(calibration.count).toBe(images + (synthetic ?? 0));
      expect(names(calibration).filter((name) => name.startsWith("synthetic-"))).toHaveLength(synthetic ?? 0);
    },
  );

  test("of a single photograph: it calibrates, and synthetic pictures that do not are compared on", async () => {
    const { calibration, evaluation } = await choose({ calibrateDir: await photographs(1) });
    expect(names(calibration)).toContain("class-000-0.jpg");
    expect(evaluation).toMatchObject({ kind: "synthetic", count: 128 });
    expect(names(calibration)).not.toContain(evaluation.name(0));
  });

  test("with a folder to compare on: every photograph of the other folder may calibrate", async () => {
    const [calibrateDir, evaluateDir] = [await photographs(150), await photographs(10)];
    const { calibration, evaluation } = await choose({ calibrateDir, evaluateDir });
    expect([calibration.count, evaluation.count]).toEqual([150, 10]);
  });

  test("with the same folder for both: some of it is held out all the same", async () => {
    const folder = await photographs(150);
    const { calibration, evaluation } = await choose({ calibrateDir: folder, evaluateDir: folder });
    expect([calibration.count, evaluation.count]).toEqual([120, 30]);
  });

  test("without folders are synthetic, of other seeds on each side", async () => {
    const { calibration, evaluation } = await choose({});
    expect(names(calibration).filter((name) => names(evaluation).includes(name))).toEqual([]);
    expect(calibration.kind).toBe("synthetic");
  });

  test.each(["png", "webp", "gif"])(
    "may be %s files, which the Worker's decoder reads as sharp does",
    async (format) => {
      const folder = path.join(parent, format);
      await mkdir(folder, { recursive: true });
      await gradient(120, 80).toFile(path.join(folder, `a.${format}`));
      const images = await imagesFromFolder(folder, preprocessingOf(32));
      expect(names(images)).toEqual([`a.${format}`]);
      expect(await images.tensor(0)).toEqual(await images.sharpTensor?.(0));
    },
  );
});
