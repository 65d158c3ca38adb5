/** Compares an existing pack with the .onnx file it was made from, on photographs. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { sha256Hex } from "../../src/bytes/sha256.ts";
import { labelsSchema } from "../../src/model/manifest.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { type Agreement, evaluatePack } from "./evaluate.ts";
import { imagesFromFolder } from "./images.ts";
import { classFromName } from "./labels.ts";
import type { ProgressCallback } from "./pack.ts";

/** What to compare, and on which images. */
export interface VerifyOptions {
  /** The pack's folder. */
  folder: string;
  /** The float32 .onnx file. */
  against: string;
  /** Folder of JPEG photographs, with or without subfolders. */
  images: string;
  /** Reads the class of each photograph from its name, to measure accuracy. */
  labelsFromNames?: boolean;
  /** Counts the answers that libjpeg's pixels and the pack change: Agreement.changes. */
  countChanges?: boolean;
}

/**
 * Compares a pack with its source.
 * @returns The agreement, and whether `against` is the file that the manifest names as the source.
 * @throws CommandError when a file is missing, is damaged, or does not fit the pack.
 */
export async function verifyPack(
  { folder, against, images: photographs, labelsFromNames, countChanges }: VerifyOptions,
  progress: ProgressCallback = () => {},
): Promise<{ agreement: Agreement; sameSource: boolean }> {
  const { manifest } = await readLocalPack(folder);
  const files = new Map<string, Uint8Array>();
  for (const { file } of manifest.shards) files.set(file, await readFile(join(folder, file)));
  const labels = labelsSchema.parse(JSON.parse(await readFile(join(folder, manifest.labels.file), "utf8")));
  const model = await readFile(against).catch((cause: unknown) => {
    const message = `The model ${against} cannot be read; expected the .onnx file that the pack was made from.`;
    throw new CommandError(message, { cause });
  });
  const images = await imagesFromFolder(photographs, manifest.preprocessing);
  const classOfFile = classFromName(labels);
  const agreement = await evaluatePack(model, { manifest, files }, images, {
    classOf: labelsFromNames ? (name) => classOfFile(basename(name)) : undefined,
    countChanges,
    onImage: progress.bind(undefined, "compare"),
  });
  return { agreement, sameSource: (await sha256Hex(model)) === manifest.source.sha256 };
}
