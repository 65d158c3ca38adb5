/** Opens the bucket in the user's Cloudflare account: wrangler runs a proxy Worker there while it is open. */
import { CommandError } from "../terminal/fail.ts";
import type { StoreBucket } from "./bucket.ts";
import { bucketNameOf, readProjectConfig, withBucket } from "./platform-config.ts";
import { offlineEnv } from "./project.ts";
import { cloudflareFailure, loadProjectEnv, requireLogin } from "./wrangler-cli.ts";

/** Errors that a mistake in this project raises. */
const ownErrors = ["TypeError", "RangeError", "ReferenceError", "SyntaxError"];

/**
 * Opens a remote bucket while `work` runs.
 * @throws CommandError when the bucket cannot be opened, or when an operation on it fails
 */
export async function withRemoteBucket<T>(
  work: (bucket: StoreBucket) => Promise<T>,
  { bucket = bucketNameOf(readProjectConfig()) }: { readonly bucket?: string } = {},
): Promise<T> {
  // Keeps stdout for results; wrangler prints errors on stderr.
  process.env.WRANGLER_LOG ??= "error";
  Object.assign(process.env, offlineEnv);
  loadProjectEnv();
  await requireLogin();
  return withBucket({ bucket, remote: true }, false, work).catch((error) => {
    throw remoteFailure(error, bucket);
  });
}

/** Turns an error of the remote bucket into a CommandError. Returns errors of this project unchanged. */
export function remoteFailure(error: unknown, bucket: string): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error;
  const reason = error.cause instanceof Error ? error.cause.message : "";
  const message = `${error.message} ${reason}`.replaceAll(/\s+/g, " ").trim();
  const known = cloudflareFailure(message, error);
  if (known) return known;
  if (ownErrors.includes(error.name)) return error;
  if (/\b10085\b|\b10006\b|bucket.{0,80}(not found|does not exist)/i.test(message)) {
    return new CommandError(`your account has no bucket ${bucket}`, {
      fix: `create it: npx wrangler r2 bucket create ${bucket} (npm run deploy does)`,
      cause: error,
    });
  }
  return new CommandError(`the remote bucket ${bucket} failed: ${message}`, {
    fix: "run the command again; WRANGLER_LOG=debug shows more",
    cause: error,
  });
}
