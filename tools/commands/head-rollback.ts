/** `head rollback`: an earlier version of a head live again. */
import type { Command } from "commander";
import { type HeadRollbackReport, rollbackHead } from "../store/rollback-head.ts";
import { printResult } from "../terminal/output.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

export function addHeadRollback(program: Command): void {
  addBucketOptions(program.command("rollback"))
    .summary("make an earlier version of a head live again")
    .description(
      "Make an earlier version of a head live again on its version of the model, once its file has been checked. Deletes nothing.",
    )
    .argument("<name>", "head")
    .argument("[version]", "version, as `list` shows it (default: the one before the live one)")
    .addHelpText("after", "\nExample:\n  npm run head -- rollback pets 0123456789abcdef --remote")
    .action((name: string, version: string | undefined, options: BucketOptions) =>
      withBucket(options, async (bucket, place) => {
        const report = await rollbackHead(bucket, name, version);
        printResult(options, report, () => describe(report, place));
      }),
    );
}

function describe(report: HeadRollbackReport, place: string): string {
  const { name, version, backbone, replaced, changed } = report;
  if (!changed) return `${name} ${version} is live on ${backbone} in ${place} already; nothing was changed`;
  const before = replaced === null ? "" : `; before it was ${replaced}`;
  return `${name} ${version} is live on ${backbone} in ${place} again${before}`;
}
