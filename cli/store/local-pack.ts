/** Finds and reads packs on this machine. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { z } from "zod";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { FileError, parseFile } from "../../src/model/json-file.ts";
import {
  labelsSchema,
  type Manifest,
  manifestSchema,
  manifestVersion,
  packNameSchema,
} from "../../src/model/manifest.ts";
import { findInCatalogue } from "../fetch/catalogue.ts";
import { CommandError } from "../terminal/fail.ts";
import { readRequired, typedPath, userPath } from "../terminal/paths.ts";

/** Folder of the packs, one folder each. */
export const packsFolder = path.join(import.meta.dirname, "..", "..", "model-shards");

/** One file of a pack. */
export interface PackFile {
  /** Name within the pack. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A pack whose files match its manifest. */
export interface LocalPack {
  readonly folder: string;
  readonly manifest: Manifest;
  /** In upload order: shards and labels first, the manifest last. */
  readonly files: readonly PackFile[];
}

/** The Worker's limits for manifests and labels. */
const jsonLimits = { maxDepth: 32, maxStructure: 150_000 };

const makeAgain = "make the pack again";
const restore = `restore it (git checkout) or ${makeAgain}`;

/**
 * Reads a pack and checks every file.
 * @throws CommandError that names the file that is missing, or that does not match the manifest
 */
export async function readLocalPack(folder: string): Promise<LocalPack> {
  const manifestPath = path.join(folder, "manifest.json");
  const content = await readRequired(manifestPath, restore);
  const manifest = parse(manifestPath, content, manifestSchema);
  const version = await manifestVersion(manifest);
  if (version !== manifest.version) {
    throw new CommandError(`${manifestPath} says version ${manifest.version} but hashes to ${version}`, {
      fix: `it was edited: ${makeAgain}`,
    });
  }
  const files = [...manifest.shards, manifest.labels].map(({ file, bytes, sha256 }) => {
    return { name: file, bytes, sha256 };
  });
  for (const file of files) {
    const bytes = await checkFile(folder, file);
    if (file.name === manifest.labels.file) checkLabels(path.join(folder, file.name), bytes, manifest);
  }
  const last = { name: "manifest.json", bytes: content.length, sha256: await sha256Hex(content) };
  return { folder, manifest, files: [...files, last] };
}

/**
 * Returns the folder of a pack.
 * @param pack a name in model-shards, or the path of a folder
 * @throws CommandError with the available names, or with the commands that make the pack
 */
export async function findPackFolder(pack: string, packs = packsFolder): Promise<string> {
  const entries = await readdir(packs, { withFileTypes: true });
  // A pack that is being written is in a folder whose name is not valid.
  const folders = entries.filter((e) => e.isDirectory() && packNameSchema.safeParse(e.name).success);
  const names = folders.map(({ name }) => name);
  if (names.includes(pack)) return path.join(packs, pack);
  const folder = userPath(pack);
  if (existsSync(path.join(folder, "manifest.json"))) return folder;
  if (findInCatalogue(pack)) {
    throw new CommandError(`the pack ${pack} does not exist yet`, {
      fix: `make it with two commands:\n  npm run model -- fetch ${pack}\n  npm run model -- pack ${pack}`,
    });
  }
  throw new CommandError(
    `there is no pack ${pack}: expected a folder with a manifest.json, or a name in model-shards (available: ${names.join(", ")})`,
    { fix: "make one: npm run model -- pack path/to/file.onnx" },
  );
}

/** Returns what a user types for the pack in `folder`, so that findPackFolder finds it: a name in model-shards, or a path. */
export function packArgument(folder: string): string {
  return path.dirname(folder) === packsFolder ? path.basename(folder) : typedPath(folder);
}

async function checkFile(folder: string, { name, bytes, sha256 }: PackFile): Promise<Uint8Array> {
  const file = path.join(folder, name);
  const content = await readRequired(file, restore);
  const actual = await sha256Hex(content);
  if (content.length === bytes && actual === sha256) return content;
  const [found, expected] =
    content.length === bytes ? [`SHA-256 ${actual}`, sha256] : [`${content.length} bytes`, bytes];
  throw new CommandError(`${file} has ${found}; its manifest says ${expected}`, { fix: restore });
}

/** Checks labels before a push, since the Worker would refuse to serve them. */
function checkLabels(file: string, content: Uint8Array, { classes }: Manifest): void {
  const labels = parse(file, content, labelsSchema);
  if (labels.length === classes) return;
  throw new CommandError(`${file} has ${labels.length} labels; expected ${classes}, one per class`, {
    fix: makeAgain,
  });
}

function parse<T>(file: string, content: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return parseFile(file, content, schema, jsonLimits);
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new CommandError(cause.message, { fix: makeAgain, cause });
  }
}
