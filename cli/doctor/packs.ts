/** Checks the packs on this machine: manifest, labels, the hash of every shard, and the memory that each pack needs. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { defaultEngine, type EngineName, engineNames } from "../../src/model/engine.ts";
import { measureHeap } from "../pack/heap.ts";
import { readPack } from "../pack/read-pack.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { readProjectConfig } from "../store/platform-config.ts";
import { megabytes } from "../terminal/output.ts";
import { broken, brokenBy, type Finding, ok, type Target, warning } from "./finding.ts";
import { heapFinding } from "./limits.ts";

/** Checks every pack in model-shards, and in models, where people keep others. */
export async function checkPacks({ folder }: Target): Promise<Finding[]> {
  const packs = [...(await packsIn(folder, "model-shards")), ...(await packsIn(folder, "models"))];
  if (packs.length === 0) return [broken("model-shards has no pack", "git checkout model-shards")];
  return (await Promise.all(packs.map((pack) => packFindings(folder, pack)))).flat();
}

/** Returns the folders in `place`, which is relative to the project's folder. */
async function packsIn(folder: string, place: string): Promise<string[]> {
  const entries = await readdir(path.join(folder, place), { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(place, entry.name));
}

async function packFindings(folder: string, pack: string): Promise<Finding[]> {
  try {
    const { manifest, files } = await readLocalPack(path.join(folder, pack));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const what = `${pack}: ${manifest.version}, ${manifest.shards.length} shards, ${megabytes(bytes)}, all hashes match`;
    const misplaced = warning(
      `${pack} holds a pack named ${manifest.name}, which cannot be found by that name`,
      `mv ${pack} ${path.join(path.dirname(pack), manifest.name)}`,
    );
    const whole = manifest.name === path.basename(pack) ? ok(what) : misplaced;
    const served = path.dirname(pack) === "model-shards";
    if (!served) return [whole];
    const heap = await measureHeap(await readPack(path.join(folder, pack)));
    return [whole, heapFinding(manifest, heap, engineOf(folder))];
  } catch (error) {
    const finding = brokenBy(error, await fixOf(folder, pack));
    return [{ ...finding, what: finding.what.replace(`${folder}/`, "") }];
  }
}

/** The engine that wrangler.toml sets. The check of settings reports an invalid value. */
function engineOf(folder: string): EngineName {
  const value = readProjectConfig(folder).vars.ENGINE;
  return engineNames.find((name) => name === value) ?? defaultEngine;
}

/** A pack that git tracks can be restored. Any other must be packed again. */
async function fixOf(folder: string, pack: string): Promise<string> {
  const manifest = path.join(pack, "manifest.json");
  const git = promisify(execFile)("git", ["ls-files", "--error-unmatch", manifest], { cwd: folder });
  const makeAgain = existsSync(path.join(folder, manifest))
    ? `make it again: npm run model -- pack (its .onnx file is "source" in ${manifest})`
    : `rm -r ${pack}, or make it again: npm run model -- pack`;
  return git.then(
    () => `git checkout -- ${pack}`,
    () => makeAgain,
  );
}
