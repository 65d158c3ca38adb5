/** The options of every command that works on a bucket, and the bucket that they name. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { StoreBucket } from "../store/bucket.ts";
import { jsonOption, type OutputOptions } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";

export interface BucketOptions extends OutputOptions {
  readonly remote?: boolean;
  readonly bucket?: string;
  readonly persistTo?: string;
}

export function addBucketOptions(command: Command): Command {
  return command
    .addOption(new Option("--local", "the local bucket of wrangler dev (default)").conflicts("remote"))
    .addOption(
      new Option("--remote", "the bucket in your Cloudflare account").conflicts(["local", "persistTo"]),
    )
    .addOption(
      new Option("--bucket <name>", "bucket to use (default: bucket_name of wrangler.toml)").argParser(
        parseBucketName,
      ),
    )
    .option("--persist-to <folder>", "folder of the local storage, as for wrangler dev")
    .option(...jsonOption);
}

/** Runs `work` on the bucket that the options name; `place` says which it is. */
export async function withBucket<T>(
  options: BucketOptions,
  work: (bucket: StoreBucket, place: string) => Promise<T>,
): Promise<T> {
  // Loading wrangler takes most of a second, which help and other commands need not spend.
  const { bucketNameOf, readProjectConfig } = await import("../store/platform-config.ts");
  const name = options.bucket ?? bucketNameOf(readProjectConfig());
  if (options.remote) {
    process.stderr.write(`connecting to the bucket ${name} in your Cloudflare account\n`);
    const { withRemoteBucket } = await import("../store/remote-bucket.ts");
    return withRemoteBucket((bucket) => work(bucket, `the remote bucket ${name}`), { bucket: name });
  }
  const { withLocalBucket } = await import("../store/local-bucket.ts");
  const persistTo = options.persistTo === undefined ? {} : { persistTo: userPath(options.persistTo) };
  return withLocalBucket((bucket) => work(bucket, `the local bucket ${name}`), {
    bucket: name,
    ...persistTo,
  });
}

/** What R2 allows. */
export function parseBucketName(value: string): string {
  if (/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(value)) return value;
  throw new InvalidArgumentError("expected 3 to 63 of a-z, 0-9 and '-', not beginning or ending with '-'");
}
