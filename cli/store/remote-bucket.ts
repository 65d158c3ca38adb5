/**
 * The bucket in the user's Cloudflare account, through the very binding that the Worker has: wrangler runs a proxy
 * Worker there for as long as it is open.
 */
import { getPlatformProxy } from "wrangler";
import { CommandError } from "../terminal/fail.ts";
import type { StoreBucket } from "./bucket.ts";
import { offlineEnv } from "./local-bucket.ts";
import { bucketConfig, bucketNameOf, readProjectConfig, withConfigFile } from "./platform-config.ts";
import { cloudflareFailure, loadProjectEnv, requireLogin } from "./wrangler-cli.ts";

/** Some refusals (no workers.dev subdomain yet) are only logged by wrangler, which then waits for ever. */
const connectTimeoutMs = 90_000;

/** Names of errors that come from a mistake in this project, not from the bucket. */
const ourErrors: ReadonlySet<string> = new Set(["TypeError", "RangeError", "ReferenceError", "SyntaxError"]);

/** @throws CommandError when it cannot be opened, or an operation on it fails */
export async function withRemoteBucket<T>(
  work: (bucket: StoreBucket) => Promise<T>,
  { bucket }: { readonly bucket?: string } = {},
): Promise<T> {
  const project = readProjectConfig();
  const name = bucket ?? bucketNameOf(project);
  // stdout is for results; wrangler's errors go to stderr.
  process.env.WRANGLER_LOG ??= "error";
  Object.assign(process.env, offlineEnv);
  loadProjectEnv();
  await requireLogin();
  return withConfigFile(bucketConfig(project, { bucket: name, remote: true }), async (configPath) => {
    try {
      const options = { configPath, remoteBindings: true, persist: false };
      const proxy = await withinTime(getPlatformProxy<{ MODELS: StoreBucket }>(options), name);
      try {
        return await work(proxy.env.MODELS);
      } finally {
        await proxy.dispose();
      }
    } catch (error) {
      throw remoteFailure(error, name);
    }
  });
}

/** What the user is told; errors in our own code stay as they are. */
export function remoteFailure(error: unknown, bucket: string): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error;
  const message = [error, error.cause]
    .map((e) => (e instanceof Error ? e.message : ""))
    .join(" ")
    .replaceAll(/\s+/g, " ")
    .trim();
  const known = cloudflareFailure(message, error);
  if (known) return known;
  if (ourErrors.has(error.name)) return error;
  if (/\b10085\b|\b10006\b|bucket.{0,80}(not found|does not exist)/i.test(message)) {
    return new CommandError(`your account has no bucket ${bucket}`, {
      fix: `create it: npx wrangler r2 bucket create ${bucket} (npm run deploy does)`,
      cause: error,
    });
  }
  return new CommandError(`the remote bucket ${bucket} failed: ${message}`, {
    fix: "run the command again, WRANGLER_LOG=debug tells more",
    cause: error,
  });
}

async function withinTime<T>(opening: Promise<T>, bucket: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const seconds = connectTimeoutMs / 1000;
      reject(
        new CommandError(`no connection to the bucket ${bucket} after ${seconds} s`, {
          fix: "see wrangler's message above, or run again with WRANGLER_LOG=debug",
        }),
      );
    }, connectTimeoutMs);
  });
  try {
    return await Promise.race([opening, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
