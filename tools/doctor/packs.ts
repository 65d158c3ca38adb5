/** The packs of this machine: manifest, labels and every shard against its hash. */
import { execFile } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { readLocalPack } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { megabytes } from "../terminal/output.ts";
import { broken, type Finding, ok, type Patient, warning } from "./finding.ts";

const run = promisify(execFile);
/** Packs that serve, and where people keep others. */
const places = ["model-shards", "models"];

export async function checkPacks({ folder }: Patient): Promise<Finding[]> {
  const packs = (await Promise.all(places.map((place) => packFolders(folder, place)))).flat();
  if (packs.length === 0) {
    return [broken("model-shards holds no pack", "git checkout model-shards")];
  }
  const findings: Finding[] = [];
  for (const pack of packs) findings.push(await packFinding(folder, pack));
  return findings;
}

async function packFolders(folder: string, place: string): Promise<string[]> {
  const entries = await readdir(path.join(folder, place), { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(place, entry.name));
}

async function packFinding(folder: string, pack: string): Promise<Finding> {
  const name = path.basename(pack);
  try {
    const { manifest, files } = await readLocalPack(path.join(folder, pack));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const what = `${pack}: ${manifest.version}, ${manifest.shards.length} shards, ${megabytes(bytes)}, every hash right`;
    if (manifest.name === name) return ok(what);
    return warning(
      `${pack} holds a pack named ${manifest.name}: by that name it is not found`,
      `mv ${pack} ${path.join(path.dirname(pack), manifest.name)}`,
    );
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // The message's own advice follows its last semicolon; here it is known which of the two it is.
    return broken(
      error.message.replace(/; (restore|make) .*$/, "").replace(`${folder}/`, ""),
      await mendOf(folder, pack),
    );
  }
}

/** What git has is restored; what was made here is made again. */
async function mendOf(folder: string, pack: string): Promise<string> {
  const tracked = await run("git", ["ls-files", "--error-unmatch", path.join(pack, "manifest.json")], {
    cwd: folder,
  }).then(
    () => true,
    () => false,
  );
  if (tracked) return `git checkout -- ${pack}`;
  const manifest = path.join(folder, pack, "manifest.json");
  const made = await access(manifest).then(
    () => true,
    () => false,
  );
  return made
    ? `make it again: npm run model -- pack (the .onnx file it was made of is "source" in ${pack}/manifest.json)`
    : `rm -r ${pack}, or make it again: npm run model -- pack`;
}
