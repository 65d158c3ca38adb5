/** Reads wrangler.toml, and opens its bucket with wrangler's own R2 binding. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { getPlatformProxy, type Unstable_Config, unstable_readConfig } from "wrangler";
import { settleWithin, timedOut } from "../../src/concurrency/timeout.ts";
import { CommandError } from "../terminal/fail.ts";
import type { StoreBucket } from "./bucket.ts";
import { projectFolder, withFolder } from "./project.ts";

const bucketBinding = "MODELS";

/** Page of the dashboard on which an account registers its workers.dev subdomain. */
export const onboardingUrl = "https://dash.cloudflare.com/?to=/:account/workers/onboarding";

/** Milliseconds to wait for a bucket. wrangler only logs some refusals (no workers.dev subdomain yet), and then waits forever. */
export const connectTimeoutMs = 90_000;

/** The settings of wrangler.toml that the commands use. */
export type ProjectConfig = Pick<
  Unstable_Config,
  | "name"
  | "account_id"
  | "compatibility_date"
  | "compatibility_flags"
  | "r2_buckets"
  | "d1_databases"
  | "queues"
  | "vars"
  | "route"
  | "routes"
  | "workers_dev"
>;

/**
 * Reads wrangler.toml.
 * @param env a named environment, such as staging
 * @throws CommandError when it is not valid, or has no such environment
 */
export function readProjectConfig(folder = projectFolder, env?: string): ProjectConfig {
  const config = path.join(folder, "wrangler.toml");
  let project: Unstable_Config;
  try {
    project = unstable_readConfig({ config, env }, { hideWarnings: true });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`${config} is not valid: ${message.replaceAll(/\s+/g, " ").trim()}`, {
      fix: "fix it, or git checkout wrangler.toml",
      cause,
    });
  }
  // wrangler would only warn, and deploy a second Worker with the settings of production.
  if (env === undefined || project.definedEnvironments?.includes(env)) return project;
  throw new CommandError(`wrangler.toml has no environment ${env}`, {
    fix: `add [env.${env}] with routes, variables and a bucket of its own (docs/operations.md, Staging)`,
  });
}

/**
 * Returns the name of the Worker's bucket.
 * @throws CommandError when wrangler.toml does not bind one
 */
export function bucketNameOf(project: Pick<ProjectConfig, "r2_buckets">): string {
  const name = boundBucket(project)?.bucket_name;
  if (name !== undefined) return name;
  throw new CommandError(`wrangler.toml binds no bucket as ${bucketBinding}`, {
    fix: `add [[r2_buckets]] with binding = "${bucketBinding}" and a bucket_name, or git checkout wrangler.toml`,
  });
}

/** Returns a configuration with the bucket alone: opening it needs neither the Worker's code nor its variables. */
export function bucketConfig(
  project: Pick<ProjectConfig, "name" | "account_id" | "compatibility_date" | "r2_buckets">,
  { bucket, remote }: { readonly bucket?: string | undefined; readonly remote: boolean },
) {
  const bucket_name = bucket ?? bucketNameOf(project);
  const { name, account_id, compatibility_date } = project;
  const { jurisdiction } = boundBucket(project) ?? {};
  const r2_buckets = [{ binding: bucketBinding, bucket_name, jurisdiction, remote }];
  return { name, account_id, compatibility_date, r2_buckets };
}

/**
 * Opens a bucket while `work` runs.
 * @param persist where wrangler keeps local storage; false for a remote bucket
 * @throws CommandError when the bucket cannot be opened within 90 seconds
 */
export function withBucket<T>(
  choice: { readonly bucket: string; readonly remote: boolean },
  persist: { readonly path: string } | false,
  work: (bucket: StoreBucket) => Promise<T>,
): Promise<T> {
  return withJsonFile(bucketConfig(readProjectConfig(), choice), async (configPath) => {
    const options = { configPath, remoteBindings: choice.remote, persist };
    const opening = getPlatformProxy<{ MODELS: StoreBucket }>(options);
    const proxy = await settleWithin(opening, connectTimeoutMs);
    if (proxy === timedOut) {
      throw new CommandError(
        `no connection to the bucket ${choice.bucket} after ${connectTimeoutMs / 1000} s`,
        {
          fix: `see wrangler's message above; if the account has no workers.dev subdomain, register one: ${onboardingUrl}`,
        },
      );
    }
    try {
      return await work(proxy.env.MODELS);
    } finally {
      await proxy.dispose();
    }
  });
}

/** Runs `work` with the path of a temporary file, which only this user can read and which holds `content` as JSON. */
export function withJsonFile<T>(content: object, work: (file: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const file = path.join(folder, "wrangler.json");
    await writeFile(file, JSON.stringify(content));
    return work(file);
  });
}

function boundBucket({ r2_buckets }: Pick<ProjectConfig, "r2_buckets">) {
  return r2_buckets.find(({ binding }) => binding === bucketBinding);
}
