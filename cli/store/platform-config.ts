/** The configuration under which wrangler opens a bucket: the project's, with another bucket or a remote one. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { unstable_readConfig } from "wrangler";
import { CommandError } from "../terminal/fail.ts";

export const projectFolder = path.join(import.meta.dirname, "..", "..");
export const bucketBinding = "MODELS";

/** What is used of wrangler.toml. */
export interface ProjectConfig {
  readonly name?: string | undefined;
  readonly account_id?: string | undefined;
  readonly compatibility_date?: string | undefined;
  readonly r2_buckets: readonly {
    readonly binding: string;
    readonly bucket_name?: string | undefined;
    readonly jurisdiction?: string | undefined;
  }[];
  readonly vars: Readonly<Record<string, unknown>>;
}

/** @throws CommandError when wrangler.toml is not valid */
export function readProjectConfig(folder = projectFolder): ProjectConfig {
  const config = path.join(folder, "wrangler.toml");
  try {
    return unstable_readConfig({ config }, { hideWarnings: true });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`${config} cannot be used: ${message.replaceAll(/\s+/g, " ").trim()}`, {
      fix: "fix it, or git checkout wrangler.toml",
      cause,
    });
  }
}

/** @throws CommandError when there is no such binding */
export function bucketNameOf(project: ProjectConfig): string {
  const name = project.r2_buckets.find(({ binding }) => binding === bucketBinding)?.bucket_name;
  if (name !== undefined) return name;
  throw new CommandError(`wrangler.toml binds no bucket as ${bucketBinding}`, {
    fix: `add [[r2_buckets]] with binding = "${bucketBinding}" and a bucket_name, or git checkout wrangler.toml`,
  });
}

/** A configuration of nothing but the bucket: opening it needs neither the Worker's code nor its variables. */
export function bucketConfig(project: ProjectConfig, choice: { bucket?: string; remote: boolean }) {
  const bound = project.r2_buckets.find(({ binding }) => binding === bucketBinding);
  return {
    name: project.name,
    account_id: project.account_id,
    compatibility_date: project.compatibility_date,
    r2_buckets: [
      {
        binding: bucketBinding,
        bucket_name: choice.bucket ?? bucketNameOf(project),
        jurisdiction: bound?.jurisdiction,
        remote: choice.remote,
      },
    ],
  };
}

/** Runs `work` with the path of a file that holds `config`, and deletes it afterwards. */
export async function withConfigFile<T>(
  config: object,
  work: (configPath: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-config-"));
  try {
    const configPath = path.join(folder, "wrangler.json");
    await writeFile(configPath, JSON.stringify(config));
    return await work(configPath);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
