/** Shards, labels and facts -> a pack's folder. All or nothing: an interrupted write leaves what was there before. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { maxModelJsonBytes } from "../../src/limits.ts";
import {
  canonicalJson,
  type Label,
  labelsSchema,
  type Manifest,
  manifestSchema,
  manifestVersion,
} from "../../src/model/manifest.ts";
import { PackError } from "./errors.ts";
import type { ShardModel } from "./shard.ts";

/** The manifest without what follows from the files: version, labels, shards. */
export type PackFacts = Omit<Manifest, "version" | "labels" | "shards">;

/** Files of a pack by name, manifest included. */
export interface PackFiles {
  manifest: Manifest;
  files: ReadonlyMap<string, Uint8Array>;
}

const manifestFile = "manifest.json";
const labelsFile = "labels.json";

/** @throws PackError when the labels are too large, or the result is no valid manifest, naming the field. */
export async function assemblePack(
  facts: PackFacts,
  labels: readonly Label[],
  shards: readonly ShardModel[],
): Promise<PackFiles> {
  const files = new Map<string, Uint8Array>();
  const labelBytes = new TextEncoder().encode(`${canonicalJson(labelsSchema.parse(labels))}\n`);
  if (labelBytes.length > maxModelJsonBytes) {
    throw new PackError(
      `the labels take ${labelBytes.length} bytes of JSON; expected at most ${maxModelJsonBytes}; shorten them.`,
    );
  }
  files.set(labelsFile, labelBytes);
  const shardEntries = shards.map(({ bytes, inputs, outputs }, index) => {
    const file = `shard-${String(index).padStart(2, "0")}.onnx`;
    files.set(file, bytes);
    return {
      file,
      bytes: bytes.byteLength,
      sha256: sha256(bytes),
      inputs: [...inputs],
      outputs: [...outputs],
    };
  });
  const content = {
    ...facts,
    labels: { file: labelsFile, bytes: labelBytes.byteLength, sha256: sha256(labelBytes) },
    shards: shardEntries,
  };
  const parsed = manifestSchema.safeParse({ ...content, version: await manifestVersion(content) });
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      (issue) => `${issue.path.join(".") || "manifest"}: ${issue.message}`,
    );
    throw new PackError(`The pack's manifest would not be valid: ${issues.join("; ")}.`);
  }
  files.set(manifestFile, new TextEncoder().encode(`${JSON.stringify(parsed.data, null, 2)}\n`));
  return { manifest: parsed.data, files };
}

/**
 * Writes to a temporary folder beside `folder`, then renames. A pack that was there is replaced.
 * @param write For tests: how one file is written.
 */
export async function writePack(
  { files }: PackFiles,
  folder: string,
  write: (path: string, bytes: Uint8Array) => Promise<void> = writeFile,
): Promise<void> {
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  // A leading dot makes it no pack's name. Not mkdtemp, which would keep the folder to this user alone.
  const fresh = join(parent, `.${basename(folder)}-${randomUUID()}`);
  await mkdir(fresh);
  try {
    for (const [file, bytes] of files) await write(join(fresh, file), bytes);
    await replaceFolder(fresh, folder);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Between the two renames neither name is taken; if the second fails the old folder goes back. */
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

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
