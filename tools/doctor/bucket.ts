/** What the bucket would serve: current.json, its manifest, labels and every shard, as the Worker itself reads them. */
import { existsSync } from "node:fs";
import path from "node:path";
import { ClassifierError } from "../../src/errors.ts";
import { readLiveVersion, readPack, readShard } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/model/source.ts";
import type { StoreBucket } from "../store/bucket.ts";
import { withLocalBucket } from "../store/local-bucket.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { bucketNameOf, readProjectConfig } from "../store/platform-config.ts";
import { withRemoteBucket } from "../store/remote-bucket.ts";
import { CommandError } from "../terminal/fail.ts";
import { broken, type Finding, ok, type Patient, warning } from "./finding.ts";

export async function checkBucket({ folder, remote }: Patient): Promise<Finding[]> {
  let name: string;
  let bucket: string;
  try {
    const project = readProjectConfig(folder);
    name = String(project.vars.MODEL_NAME ?? "resnet34-cifar10");
    bucket = bucketNameOf(project);
  } catch (error) {
    if (error instanceof CommandError)
      return [broken("the bucket is not known: see wrangler.toml", "mend wrangler.toml first")];
    throw error;
  }
  const findings = await localFindings(folder, name, bucket);
  if (remote) findings.push(...(await remoteFindings(folder, name, bucket)));
  return findings;
}

async function localFindings(folder: string, name: string, bucket: string): Promise<Finding[]> {
  const persistTo = path.join(folder, ".wrangler", "state");
  // Opening it would create it.
  if (!existsSync(path.join(persistTo, "v3", "r2"))) return [ok("no local bucket yet: npm start makes it")];
  return withLocalBucket((opened) => storedFindings(opened, folder, name, "local"), { bucket, persistTo });
}

async function remoteFindings(folder: string, name: string, bucket: string): Promise<Finding[]> {
  try {
    return await withRemoteBucket((opened) => storedFindings(opened, folder, name, "remote"), { bucket });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const [what, ...mend] = error.message.split("; ");
    return [broken(`remote bucket: ${what}`, mend.join("; ") || "npm run deploy")];
  }
}

/** @param folder of the project, to compare with its pack of that name */
export async function storedFindings(
  bucket: StoreBucket,
  folder: string,
  name: string,
  place: "local" | "remote",
): Promise<Finding[]> {
  const push = `npm run model -- push ${name}${place === "remote" ? " --remote" : ""}`;
  const source = new BucketSource(bucket);
  const fault = (error: unknown) => {
    if (!(error instanceof ClassifierError)) throw error;
    // The message says "push again" where that is the mend: it stands there once.
    return broken(`${place} bucket: ${error.message.replace(/; [^;]*push.*$/, "")}`, push);
  };
  try {
    const version = await readLiveVersion(source, name);
    const { manifest } = await readPack(source, name, version);
    const faults: Finding[] = [];
    for (const shard of manifest.shards)
      await readShard(source, manifest, shard).catch((error) => faults.push(fault(error)));
    if (faults.length > 0) return faults;
    const whole = ok(
      `${place} bucket: ${name} ${version} is live, ${manifest.shards.length} shards, every hash right`,
    );
    return [whole, ...(await otherVersion(folder, name, version, place, push))];
  } catch (error) {
    return [fault(error)];
  }
}

async function otherVersion(
  folder: string,
  name: string,
  live: string,
  place: string,
  push: string,
): Promise<Finding[]> {
  const pack = await readLocalPack(path.join(folder, "model-shards", name)).catch(() => undefined);
  if (!pack || pack.manifest.version === live) return [];
  return [
    warning(
      `${place} bucket serves ${name} ${live}; model-shards has ${pack.manifest.version}`,
      `${push}, or leave it so`,
    ),
  ];
}
