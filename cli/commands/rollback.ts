/** `model rollback` and `head rollback`: make an earlier version live again. */
import type { Command } from "@commander-js/extra-typings";
import { type RollbackReport, rollback } from "../store/rollback.ts";
import { type HeadRollbackReport, rollbackHead } from "../store/rollback-head.ts";
import { createProgress } from "../terminal/progress.ts";
import { bucketCommand, examples, runOnBucket } from "./shared.ts";

/** Adds `model rollback <name> <version>`. */
export function addRollback(program: Command): void {
  bucketCommand(program, "rollback")
    .summary("make an earlier version live again")
    .description("Check every object of an earlier version, then make it live again. Deletes nothing.")
    .argument("<name>", "model")
    .argument("<version>", "version, as `list` shows it")
    .addHelpText("after", examples("npm run model -- rollback resnet34-v1-7 0123456789abcdef --remote"))
    .action((name, version, options) =>
      runOnBucket(options, (bucket) => rollback(bucket, name, version, createProgress()), describe),
    );
}

/** Adds `head rollback <name> [version]`. */
export function addHeadRollback(program: Command): void {
  bucketCommand(program, "rollback")
    .summary("make an earlier version of a head live again")
    .description(
      "Check the file of an earlier version of a head, then make it live again on its model version. Deletes nothing.",
    )
    .argument("<name>", "head")
    .argument("[version]", "version, as `list` shows it (default: the one before the live one)")
    .addHelpText("after", examples("npm run head -- rollback pets 0123456789abcdef --remote"))
    .action((name, version, options) =>
      runOnBucket(options, (bucket) => rollbackHead(bucket, name, version), describe),
    );
}

function describe(report: RollbackReport | HeadRollbackReport, place: string): string {
  const { name, version, replaced, changed } = report;
  const where = "backbone" in report ? `on ${report.backbone} in ${place}` : `in ${place}`;
  if (!changed) return `${name} ${version} is already live ${where}; nothing was changed`;
  return `${name} ${version} is live again ${where}${replaced === null ? "" : `; it replaces ${replaced}`}`;
}
