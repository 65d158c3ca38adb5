/** A pack in a folder of this machine, checked before anything is done with it. */
import { access, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { sha256Hex } from "../../src/bytes/sha256.ts";
import {
  labelsSchema,
  type Manifest,
  manifestFormat,
  manifestSchema,
  manifestVersion,
  packNameSchema,
} from "../../src/model/manifest.ts";
import { findInCatalogue } from "../fetch/catalogue.ts";
import { CommandError } from "../terminal/fail.ts";
import { userPath } from "../terminal/paths.ts";

/** Folder of the packs, one folder each. */
export const packsFolder = path.join(import.meta.dirname, "..", "..", "model-shards");

export interface PackFile {
  /** Name within the pack. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface LocalPack {
  readonly folder: string;
  readonly manifest: Manifest;
  /** Labels and shards first, the manifest last: the order in which they are uploaded. */
  readonly files: readonly PackFile[];
}

/** @throws CommandError naming the file that is missing or not what the manifest says */
export async function readLocalPack(folder: string): Promise<LocalPack> {
  const manifestPath = path.join(folder, "manifest.json");
  const manifestBytes = await readRequired(manifestPath);
  const json = parseJson(manifestPath, manifestBytes);
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new CommandError(
      `${manifestPath} is not a manifest of format ${manifestFormat}: ${issue?.path.join(".")}: ${issue?.message}`,
      { fix: "make the pack again" },
    );
  }
  const manifest = parsed.data;
  const version = await manifestVersion(json as object);
  if (version !== manifest.version) {
    throw new CommandError(`${manifestPath} says version ${manifest.version} but hashes to ${version}`, {
      fix: "it was edited: make the pack again",
    });
  }
  const files: PackFile[] = [
    ...manifest.shards.map(({ file, bytes, sha256 }) => ({ name: file, bytes, sha256 })),
    { name: manifest.labels.file, bytes: manifest.labels.bytes, sha256: manifest.labels.sha256 },
  ];
  for (const file of files) await checkFile(folder, file);
  await checkLabels(folder, manifest);
  const manifestFile = {
    name: "manifest.json",
    bytes: manifestBytes.length,
    sha256: await sha256Hex(manifestBytes),
  };
  return { folder, manifest, files: [...files, manifestFile] };
}

/** Names of the packs that are here. A folder that is being written has a name that no pack can have. */
export async function localPackNames(packs = packsFolder): Promise<string[]> {
  const entries = await readdir(packs, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && packNameSchema.safeParse(entry.name).success)
    .map((entry) => entry.name);
}

/**
 * The folder of a pack that is named as in model-shards, or by its path.
 * @throws CommandError with the names that are here, or with the commands that make it
 */
export async function findPackFolder(pack: string, packs = packsFolder): Promise<string> {
  const names = await localPackNames(packs);
  if (names.includes(pack)) return path.join(packs, pack);
  const folder = userPath(pack);
  const found = await access(path.join(folder, "manifest.json")).then(
    () => true,
    () => false,
  );
  if (found) return folder;
  if (findInCatalogue(pack)) {
    throw new CommandError(
      `the pack ${pack} has not been made yet; two commands make it:\n  npm run model -- fetch ${pack}\n  npm run model -- pack ${pack}`,
    );
  }
  throw new CommandError(
    `there is no pack ${pack}: expected a folder with a manifest.json, or one of model-shards (here are: ${names.join(", ")}); make one: npm run model -- pack path/to/file.onnx`,
  );
}

const restoreOrMake = "restore it (git checkout) or make the pack again";

async function checkFile(folder: string, file: PackFile): Promise<void> {
  const filePath = path.join(folder, file.name);
  const content = await readRequired(filePath);
  if (content.length !== file.bytes) {
    throw new CommandError(`${filePath} has ${content.length} bytes; its manifest says ${file.bytes}`, {
      fix: restoreOrMake,
    });
  }
  const actual = await sha256Hex(content);
  if (actual !== file.sha256) {
    throw new CommandError(`${filePath} has SHA-256 ${actual}; its manifest says ${file.sha256}`, {
      fix: restoreOrMake,
    });
  }
}

/** The Worker refuses labels that are not of this form: better here than after the push. */
async function checkLabels(folder: string, manifest: Manifest): Promise<void> {
  const labelsPath = path.join(folder, manifest.labels.file);
  const parsed = labelsSchema.safeParse(parseJson(labelsPath, await readRequired(labelsPath)));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new CommandError(
      `${labelsPath} cannot be served: ${issue?.path.join(".") || "the document"}: ${issue?.message}; make the pack again with other labels`,
    );
  }
  if (parsed.data.length !== manifest.classes) {
    throw new CommandError(
      `${labelsPath} has ${parsed.data.length} labels; expected ${manifest.classes}, one for each class; make the pack again`,
    );
  }
}

async function readRequired(filePath: string): Promise<Uint8Array> {
  try {
    return await readFile(filePath);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new CommandError(`${filePath} ${missing ? "is missing" : "cannot be read"}`, {
      fix: restoreOrMake,
      cause,
    });
  }
}

function parseJson(filePath: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new CommandError(`${filePath} is not JSON`, { fix: "make the pack again", cause });
  }
}
