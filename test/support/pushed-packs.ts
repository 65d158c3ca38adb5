/** Versions of a small pack in local buckets, and processes that work on such a bucket and can be killed. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { withLocalBucket } from "../../cli/store/local-bucket.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { pushPack } from "../../cli/store/push.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { readLiveVersion, readPack, readShard } from "../../src/model/pack.ts";
import { BucketSource } from "../../src/storage/bucket-source.ts";
import type { Finished } from "./run-program.ts";
import { tinyManifest, tinyName } from "./tiny-pack.ts";

/** Writes that make one version live in a bucket that has another. The last one makes it live. */
export const putsOfPush = 6;

/** What a process printed, and how it ended. */
export interface Ended extends Omit<Finished, "code"> {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Three versions of one pack in folders, and buckets that start with the first two pushed and the second one live. */
export class PushedPacks {
  readonly packs: readonly { readonly folder: string; readonly version: string }[];
  readonly #folder: string;
  #states = 0;

  private constructor(folder: string, packs: PushedPacks["packs"]) {
    this.#folder = folder;
    this.packs = packs;
  }

  static async create(): Promise<PushedPacks> {
    const folder = await mkdtemp(path.join(tmpdir(), "pushed-packs-"));
    const runs = [0, 1, 2];
    const packs = await Promise.all(runs.map((run) => writePack(path.join(folder, `pack-${run}`), run)));
    await withLocalBucket(
      async (bucket) => {
        for (const pack of packs.slice(0, 2)) {
          await pushPack(bucket, await readLocalPack(pack.folder), silentProgress);
        }
      },
      { persistTo: path.join(folder, "seeded") },
    );
    return new PushedPacks(folder, packs);
  }

  /** Copies local storage. @param from the folder of a bucket; default: the one with two versions */
  async bucket(from = path.join(this.#folder, "seeded")): Promise<string> {
    const persistTo = path.join(this.#folder, `state-${this.#states++}`);
    await cp(from, persistTo, { recursive: true });
    return persistTo;
  }

  /** Runs a script in a process. `onStderr` gets all that it has printed, and may kill it with its workerd. */
  node(
    args: readonly string[],
    onStderr: (text: string, kill: () => void) => void = () => {},
  ): Promise<Ended> {
    // A process group, so that killing it also kills workerd, as closing a terminal does.
    // Temporary files of a killed process are deleted with the test's own.
    const env = { ...process.env, TMPDIR: this.#folder };
    const child = spawn(process.execPath, args, { cwd: projectFolder, env, detached: true });
    const kill = () => {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    };
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (data: Buffer) => {
        output[name] += data;
        if (name === "stderr") onStderr(output.stderr, kill);
      });
    }
    return new Promise((resolve) =>
      child.once("close", (code, signal) => resolve({ code, signal, ...output })),
    );
  }

  /** Pushes the third version in a process that is killed before write number `cut`. */
  async killedPush(persistTo: string, cut: number): Promise<Ended> {
    const tools = (file: string) => JSON.stringify(pathToFileURL(path.join(projectFolder, "cli", file)).href);
    const script = `
      import { withLocalBucket } from ${tools("store/local-bucket.ts")};
      import { readLocalPack } from ${tools("store/local-pack.ts")};
      import { pushPack } from ${tools("store/push.ts")};
      const pack = await readLocalPack(${JSON.stringify(this.packs[2]?.folder)});
      await withLocalBucket(async (bucket) => {
        let puts = 0;
        const put = async (...args) => {
          if (puts++ !== ${cut}) return bucket.put(...args);
          process.stderr.write("waiting\\n");
          await new Promise((resolve) => setTimeout(resolve, 60_000));
        };
        const slow = { head: (key) => bucket.head(key), get: (key) => bucket.get(key), put };
        await pushPack(slow, pack, { update() {}, stop() {} });
      }, { persistTo: ${JSON.stringify(persistTo)} });`;
    const file = path.join(this.#folder, "push-until.mjs");
    await writeFile(file, script);
    return this.node([file], (stderr, kill) => {
      if (stderr.includes("waiting\n")) kill();
    });
  }

  /** Runs `npm run model -- push` for the third version in a process that is killed so long after its first output. */
  async interruptedPush(persistTo: string, delayMs: number): Promise<Ended> {
    const args = ["cli/model.ts", "push", this.packs[2]!.folder, "--persist-to", persistTo];
    return this.node(args, (stderr, kill) => {
      if (/push tiny: 0%/.test(stderr)) setTimeout(kill, delayMs);
    });
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true });
  }
}

/** Returns the live version of a bucket, read as the Worker reads it. Checks the hash of each file. */
export function servedVersion(persistTo: string): Promise<string> {
  return withLocalBucket(
    async (bucket) => {
      const source = new BucketSource(bucket);
      const version = await readLiveVersion(source, tinyName);
      const { manifest } = await readPack(source, tinyName, version);
      for (const shard of manifest.shards) await readShard(source, manifest, shard);
      return version;
    },
    { persistTo },
  );
}

async function writePack(folder: string, run: number): Promise<{ folder: string; version: string }> {
  const shards = [0, 1, 2].map((i) => Buffer.alloc(200_000 + i, run * 8 + i));
  const template = await tinyManifest();
  const manifest = await tinyManifest({
    shards: template.shards.map((shard, i) => {
      const bytes = shards[i] as Buffer;
      return { ...shard, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    }),
  });
  await mkdir(folder);
  for (const [i, { file }] of manifest.shards.entries())
    await writeFile(path.join(folder, file), shards[i] as Buffer);
  const labels = ["no", "yes"].map((id) => ({ id, label: id }));
  await writeFile(path.join(folder, "labels.json"), JSON.stringify(labels));
  await writeFile(path.join(folder, "manifest.json"), JSON.stringify(manifest));
  return { folder, version: manifest.version };
}
