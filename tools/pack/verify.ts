/** A pack that is there against the .onnx file it was made from, on photographs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { labelsSchema, type Manifest } from "../../src/model/manifest.ts";
import { sha256Hex } from "../../src/sha256.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { packClassifier, sourceClassifier } from "./classifiers.ts";
import { PackError } from "./errors.ts";
import { type Agreement, evaluate } from "./evaluate.ts";
import { imagesFromFolder } from "./images.ts";
import { classFromName } from "./labels.ts";
import type { ProgressCallback } from "./pack.ts";

export interface VerifyOptions {
  /** The pack's folder. */
  folder: string;
  /** The .onnx file in float32. */
  against: string;
  /** Folder of JPEG photographs. */
  images: string;
  /** Reads the class of each photograph off its name, and so measures accuracy. */
  labelsFromNames?: boolean;
}

export interface VerifyReport {
  manifest: Manifest;
  agreement: Agreement;
  /** Whether `against` is the very file that the manifest names as its source. */
  sameSource: boolean;
}

/** @throws PackError or CommandError when a file is missing, damaged, or does not fit the pack. */
export async function verifyPack(
  options: VerifyOptions,
  progress: ProgressCallback = () => {},
): Promise<VerifyReport> {
  const { folder, against } = options;
  const { manifest } = await readLocalPack(folder);
  const files = new Map<string, Uint8Array>();
  for (const { file } of manifest.shards) files.set(file, await readFile(join(folder, file)));
  const labels = labelsSchema.parse(JSON.parse(await readFile(join(folder, manifest.labels.file), "utf8")));
  const model = await readFile(against).catch((cause: unknown) => {
    throw new PackError(
      `The model ${against} cannot be read; expected the .onnx file that the pack was made from.`,
      { cause },
    );
  });
  const images = await imagesFromFolder(options.images, manifest.preprocessing);
  const source = await sourceClassifier(model, manifest.preprocessing.crop);
  const pack = await packClassifier(manifest, files);
  try {
    const agreement = await evaluate(source, pack, images, {
      classOf: options.labelsFromNames ? classFromName(labels) : undefined,
      onImage: (done, total) => progress("compare", done, total),
    });
    return { manifest, agreement, sameSource: (await sha256Hex(model)) === manifest.source.sha256 };
  } finally {
    await Promise.all([source.release(), pack.release()]);
  }
}
