/** What the commands share: options that choose a bucket, examples in help texts, and the frame of a program. */
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { StoreBucket } from "../store/bucket.ts";
import { runCommand } from "../terminal/fail.ts";
import { jsonOption, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";

/** Runs the program `npm run <script> --` with these commands, and sets the exit code. */
export async function runProgram(
  script: string,
  description: string,
  commands: readonly ((program: Command) => void)[],
): Promise<void> {
  await runCommand(async () => {
    const program = new Command(`npm run ${script} --`)
      .description(description)
      .addHelpText("after", `\nHelp for one command:\n  npm run ${script} -- push --help`);
    for (const add of commands) add(program);
    await program.parseAsync();
  });
  // An open connection must not keep a finished command from ending.
  setTimeout(() => process.exit(), 2_000).unref();
}

/** Text for `addHelpText("after", ...)` that shows how to call a command. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length > 1 ? "Examples" : "Example"}:\n  ${lines.join("\n  ")}`;
}

/** Adds a command that works on a bucket, with the options that choose the bucket. */
export function bucketCommand(program: Command, name: string) {
  return program
    .command(name)
    .addOption(new Option("--local", "the local bucket of wrangler dev (default)").conflicts("remote"))
    .addOption(
      new Option("--remote", "the bucket in your Cloudflare account").conflicts(["local", "persistTo"]),
    )
    .option("--bucket <name>", "bucket to use (default: bucket_name in wrangler.toml)", parseBucketName)
    .option("--persist-to <folder>", "folder of the local storage, as for wrangler dev")
    .option(...jsonOption);
}

/** The parsed options of a {@link bucketCommand}. */
export type BucketOptions = ReturnType<ReturnType<typeof bucketCommand>["opts"]>;

/**
 * Runs `work` on the bucket that the options name, and prints its report: `toJson` of it with `--json`, otherwise
 * `toText`.
 */
export async function runOnBucket<T>(
  options: BucketOptions,
  work: (bucket: StoreBucket) => Promise<T>,
  toText: (report: T, place: string) => string,
  toJson: (report: T) => unknown = (report) => report,
): Promise<void> {
  const { bucket: chosen, persistTo, remote } = options;
  // Imported here because loading wrangler takes most of a second, which help and other commands need not spend.
  const { bucketNameOf, readProjectConfig } = await import("../store/platform-config.ts");
  const name = chosen ?? bucketNameOf(readProjectConfig());
  const run = async (bucket: StoreBucket) => {
    const report = await work(bucket);
    const place = `the ${remote ? "remote" : "local"} bucket ${name}`;
    printResult(options, toJson(report), () => toText(report, place));
  };
  if (remote) {
    process.stderr.write(`connecting to the bucket ${name} in your Cloudflare account\n`);
    const { withRemoteBucket } = await import("../store/remote-bucket.ts");
    return withRemoteBucket(run, { bucket: name });
  }
  const { withLocalBucket } = await import("../store/local-bucket.ts");
  const folder = persistTo === undefined ? {} : { persistTo: userPath(persistTo) };
  return withLocalBucket(run, { bucket: name, ...folder });
}

/** Accepts what R2 allows as a bucket name. */
function parseBucketName(value: string): string {
  if (/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(value)) return value;
  throw new InvalidArgumentError("expected 3 to 63 of a-z, 0-9 and '-', not beginning or ending with '-'");
}
