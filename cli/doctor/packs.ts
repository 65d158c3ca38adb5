/** Checks the packs on this machine: manifest, labels and every shard against its hash. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { readLocalPack } from "../store/local-pack.ts";
import { megabytes } from "../terminal/output.ts";
import { broken, brokenBy, type Finding, ok, type Patient, warning } from "./finding.ts";

/** Checks every pack in model-shards, which serves, and in models, where people keep others. */
export async function checkPacks({ folder }: Patient): Promise<Finding[]> {
  const packs = [...(await packsIn(folder, "model-shards")), ...(await packsIn(folder, "models"))];
  if (packs.length === 0) return [broken("model-shards holds no pack", "git checkout model-shards")];
  return Promise.all(packs.map((pack) => packFinding(folder, pack)));
}

/** The folders in `place`, relative to the project's folder. */
export async function packsIn(folder: string, place: string): Promise<string[]> {
  const entries = await readdir(path.join(folder, place), { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(place, entry.name));
}

async function packFinding(folder: string, pack: string): Promise<Finding> {
  try {
    const { manifest, files } = await readLocalPack(path.join(folder, pack));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const what = `${pack}: ${manifest.version}, ${manifest.shards.length} shards, ${megabytes(bytes)}, every hash right`;
    if (manifest.name === path.basename(pack)) return ok(what);
    return warning(
      `${pack} holds a pack named ${manifest.name}: it is not found by that name`,
      `mv ${pack} ${path.join(path.dirname(pack), manifest.name)}`,
    );
  } catch (error) {
    const finding = brokenBy(error, await fixOf(folder, pack));
    return { ...finding, what: finding.what.replace(`${folder}/`, "") };
  }
}

/** A pack that git tracks can be restored. Any other must be packed again. */
async function fixOf(folder: string, pack: string): Promise<string> {
  const manifest = path.join(pack, "manifest.json");
  const git = promisify(execFile)("git", ["ls-files", "--error-unmatch", manifest], { cwd: folder });
  const tracked = await git.then(
    () => true,
    () => false,
  );
  if (tracked) return `git checkout -- ${pack}`;
  return existsSync(path.join(folder, manifest))
    ? `make it again: npm run model -- pack (the .onnx file it was made of is "source" in ${manifest})`
    : `rm -r ${pack}, or make it again: npm run model -- pack`;
}
