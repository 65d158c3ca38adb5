/** Checks what the bucket would serve: current.json, manifest, labels and every shard, read as the Worker reads them. */
import { existsSync } from "node:fs";
import path from "node:path";
import { defaultModelName } from "../../src/default-model.ts";
import { ClassifierError } from "../../src/errors.ts";
import { readLiveVersion, readPack, readShard } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import type { StoreBucket } from "../store/bucket.ts";
import { withLocalBucket } from "../store/local-bucket.ts";
import { readLocalPack } from "../store/local-pack.ts";
import { bucketNameOf, readProjectConfig } from "../store/platform-config.ts";
import { withRemoteBucket } from "../store/remote-bucket.ts";
import { broken, brokenBy, type Finding, ok, type Target, warning } from "./finding.ts";

/**
 * Checks the local bucket, and the one in the Cloudflare account on request.
 * @throws CommandError when wrangler.toml is not valid or binds no bucket
 */
export async function checkBucket({ folder, remote }: Target): Promise<Finding[]> {
  const project = readProjectConfig(folder);
  const bucket = bucketNameOf(project);
  const name = String(project.vars.MODEL_NAME ?? defaultModelName);
  const persistTo = path.join(folder, ".wrangler", "state");
  // Opening a bucket that does not exist would create it.
  const findings = existsSync(path.join(persistTo, "v3", "r2"))
    ? await withLocalBucket((opened) => storedFindings(opened, folder, name, "local"), { bucket, persistTo })
    : [ok("no local bucket yet: npm start creates it")];
  if (!remote) return findings;
  const ofRemote = withRemoteBucket((opened) => storedFindings(opened, folder, name, "remote"), { bucket });
  return [...findings, ...(await ofRemote.catch((error) => [brokenBy(error)]))];
}

/**
 * Checks the live version of the model `name`.
 * @param folder the project's, whose pack of that name is compared with the live one
 */
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
    // The Worker's message may end in the same advice in general terms.
    return broken(`${place} bucket: ${error.message.replace(/; [^;]*push.*$/, "")}`, push);
  };
  try {
    const version = await readLiveVersion(source, name);
    const { manifest } = await readPack(source, name, version);
    const faults: Finding[] = [];
    for (const shard of manifest.shards)
      await readShard(source, manifest, shard).catch((error) => faults.push(fault(error)));
    if (faults.length > 0) return faults;
    const whole = `${place} bucket: ${name} ${version} is live, ${manifest.shards.length} shards, all hashes match`;
    const pack = await readLocalPack(path.join(folder, "model-shards", name)).catch(() => undefined);
    if (!pack || pack.manifest.version === version) return [ok(whole)];
    const other = `${place} bucket serves ${name} ${version}; model-shards has ${pack.manifest.version}`;
    return [ok(whole), warning(other, `${push}, or leave it as it is`)];
  } catch (error) {
    return [fault(error)];
  }
}
