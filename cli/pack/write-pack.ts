/** Makes a pack's files of its parts, and writes them: all or nothing. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { sha256Hex } from "../../src/bytes/byte-arrays.ts";
import { maxModelJsonBytes } from "../../src/limits.ts";
import {
  canonicalJson,
  type Label,
  labelsSchema,
  type Manifest,
  manifestSchema,
  manifestVersion,
} from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { ShardModel } from "./shard.ts";

/** The manifest without what follows from the files: version, labels, shards. */
export type PackFacts = Omit<Manifest, "version" | "labels" | "shards">;

/** Files of a pack by name, including the manifest. */
export interface PackFiles {
  manifest: Manifest;
  files: ReadonlyMap<string, Uint8Array>;
}

/**
 * Makes the files of a pack.
 * @throws CommandError when the labels are too large or the manifest would be invalid, naming the field.
 */
export async function assemblePack(
  facts: PackFacts,
  labels: readonly Label[],
  shards: readonly ShardModel[],
): Promise<PackFiles> {
  const files = new Map<string, Uint8Array>();
  const add = async (file: string, bytes: Uint8Array) => {
    files.set(file, bytes);
    return { file, bytes: bytes.byteLength, sha256: await sha256Hex(bytes) };
  };
  const labelBytes = new TextEncoder().encode(`${canonicalJson(labelsSchema.parse(labels))}\n`);
  if (labelBytes.length > maxModelJsonBytes) {
    throw new CommandError(
      `the labels take ${labelBytes.length} bytes of JSON; expected at most ${maxModelJsonBytes}; shorten them.`,
    );
  }
  const labelEntry = await add("labels.json", labelBytes);
  const shardEntries: Manifest["shards"][number][] = [];
  for (const [index, { bytes, inputs, outputs }] of shards.entries()) {
    const file = `shard-${String(index).padStart(2, "0")}.onnx`;
    shardEntries.push({ ...(await add(file, bytes)), inputs: [...inputs], outputs: [...outputs] });
  }
  const content = { ...facts, labels: labelEntry, shards: shardEntries };
  const parsed = manifestSchema.safeParse({ ...content, version: await manifestVersion(content) });
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      ({ path, message }) => `${path.join(".") || "manifest"}: ${message}`,
    );
    throw new CommandError(`The pack's manifest would not be valid: ${issues.join("; ")}.`);
  }
  files.set("manifest.json", new TextEncoder().encode(`${JSON.stringify(parsed.data, null, 2)}\n`));
  return { manifest: parsed.data, files };
}

/**
 * Checks that a new pack may replace what is at `folder`: nothing, or a pack that was made from the same file.
 * @param sha256 of the model file
 * @param force whether a pack of another file may be replaced too. Other folders never are.
 * @throws CommandError
 */
export async function requireReplaceable(folder: string, sha256: string, force: boolean): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new CommandError(`${folder} cannot be read (${error.code}); expected a folder for the pack`, {
      fix: "choose another with --out",
    });
  });
  if (entries.length === 0) return;
  const manifest = await readFile(join(folder, "manifest.json"), "utf8")
    .then((text) => manifestSchema.safeParse(JSON.parse(text)).data)
    .catch(() => undefined);
  if (!manifest) {
    throw new CommandError(`${folder} is not empty and holds no pack, so it is not replaced`, {
      fix: "choose a new folder with --out",
    });
  }
  if (force || manifest.source.sha256 === sha256) return;
  throw new CommandError(
    `${folder} holds the pack ${manifest.name} ${manifest.version}, made from another file (${manifest.source.file}, SHA-256 ${manifest.source.sha256})`,
    { fix: "choose another --name or --out, or replace it with --force" },
  );
}

/**
 * Writes to a temporary folder beside `folder`, then renames it. An existing pack is replaced; an interrupted write keeps
 * it.
 * @param write Writes one file; for tests.
 */
export async function writePack(
  { files }: PackFiles,
  folder: string,
  write: (path: string, bytes: Uint8Array) => Promise<void> = writeFile,
): Promise<void> {
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  // No pack's name starts with a dot. mkdtemp would restrict the folder to this user.
  const fresh = join(parent, `.${basename(folder)}-${randomUUID()}`);
  await mkdir(fresh);
  try {
    for (const [file, bytes] of files) await write(join(fresh, file), bytes);
    await replaceFolder(fresh, folder);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Between the two renames the folder does not exist. If the second fails, the old folder is restored. */
async function replaceFolder(fresh: string, folder: string): Promise<void> {
  const old = `${fresh}-old`;
  const replaced = await rename(folder, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
  try {
    await rename(fresh, folder);
  } catch (error) {
    if (replaced) await rename(old, folder);
    throw error;
  }
  if (replaced) await rm(old, { recursive: true });
}
