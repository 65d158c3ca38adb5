/** `prune`: old versions out of the bucket. */
import type { Command } from "commander";
import { type PruneReport, prune } from "../store/prune.ts";
import { parseCount } from "../terminal/options.ts";
import { megabytes, printResult } from "../terminal/output.ts";
import { createProgress } from "../terminal/progress.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

interface PruneCommandOptions extends BucketOptions {
  readonly keep: number;
  readonly orphans?: boolean;
  readonly dryRun?: boolean;
}

export function addPrune(program: Command): void {
  addBucketOptions(program.command("prune"))
    .summary("delete old versions")
    .description("Delete all versions of a model but the live one and the newest others. Never the live one.")
    .argument("<name>", "model")
    .option("--keep <count>", "versions to keep, the live one among them", parseCount, 2)
    .option("--orphans", "also delete what an interrupted push or prune left; not while a push is under way")
    .option("--dry-run", "only say what would be deleted")
    .addHelpText("after", "\nExample:\n  npm run model -- prune resnet34-v1-7 --keep 2 --remote")
    .action((name: string, options: PruneCommandOptions) =>
      withBucket(options, async (bucket, place) => {
        const { keep, orphans = false, dryRun = false } = options;
        const report = await prune(bucket, name, { keep, orphans, dryRun }, createProgress());
        printResult(options, report, () => describe(report, place));
      }),
    );
}

function describe(report: PruneReport, place: string): string {
  const { name, live, kept, deleted, deleted_objects, deleted_bytes, orphans, dry_run } = report;
  const did = dry_run ? "would be deleted from" : "deleted from";
  const lines = [
    deleted.length === 0
      ? `${name}: nothing to delete from ${place}`
      : `${name}: ${deleted.join(", ")} ${did} ${place}: ${deleted_objects} objects, ${megabytes(deleted_bytes)}`,
    `kept: ${kept.map((version) => (version === live ? `${version} (live)` : version)).join(", ")}`,
  ];
  if (orphans.length > 0) {
    lines.push(
      `in no history, from an interrupted push or prune: ${orphans.join(", ")}; --orphans deletes them`,
    );
  }
  return lines.join("\n");
}
