/** `model prune`: deletes old versions from the bucket. */
import type { Command } from "@commander-js/extra-typings";
import { type PruneReport, prune } from "../store/prune.ts";
import { parseCount } from "../terminal/options.ts";
import { megabytes } from "../terminal/output.ts";
import { createProgress } from "../terminal/progress.ts";
import { bucketCommand, examples, runOnBucket } from "./shared.ts";

/** Adds `prune <name>`. */
export function addPrune(program: Command): void {
  bucketCommand(program, "prune")
    .summary("delete old versions")
    .description(
      "Delete old versions of a model: all but the live one and the newest others. The live version is always kept.",
    )
    .argument("<name>", "model")
    .option("--keep <count>", "versions to keep, including the live one", parseCount, 2)
    .option("--orphans", "also delete what interrupted pushes and prunes left; do not use during a push")
    .option("--dry-run", "only show what would be deleted")
    .addHelpText("after", examples("npm run model -- prune resnet34-v1-7 --keep 2 --remote"))
    .action((name, options) => {
      const { keep, orphans = false, dryRun = false } = options;
      const request = { keep, orphans, dryRun };
      return runOnBucket(options, (bucket) => prune(bucket, name, request, createProgress()), describe);
    });
}

function describe(report: PruneReport, place: string): string {
  const { name, live, kept, deleted, deleted_objects, deleted_bytes, orphans, dry_run } = report;
  const size = `${deleted_objects} objects, ${megabytes(deleted_bytes)}`;
  const lines = [
    deleted.length === 0
      ? `${name}: nothing to delete from ${place}`
      : `${name}: ${deleted.join(", ")} ${dry_run ? "would be " : ""}deleted from ${place}: ${size}`,
    `kept: ${kept.map((version) => (version === live ? `${version} (live)` : version)).join(", ")}`,
  ];
  if (orphans.length > 0) {
    lines.push(`left by an interrupted push or prune: ${orphans.join(", ")}; --orphans deletes them`);
  }
  return lines.join("\n");
}
