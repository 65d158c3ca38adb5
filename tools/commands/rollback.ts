/** `rollback`: an earlier version live again. */
import type { Command } from "commander";
import { type RollbackReport, rollback } from "../store/rollback.ts";
import { printResult } from "../terminal/output.ts";
import { createProgress } from "../terminal/progress.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

export function addRollback(program: Command): void {
  addBucketOptions(program.command("rollback"))
    .summary("make an earlier version live again")
    .description(
      "Make an earlier version live again, once every object of it has been checked. Deletes nothing.",
    )
    .argument("<name>", "model")
    .argument("<version>", "version, as `list` shows it")
    .addHelpText("after", "\nExample:\n  npm run model -- rollback resnet34-v1-7 0123456789abcdef --remote")
    .action((name: string, version: string, options: BucketOptions) =>
      withBucket(options, async (bucket, place) => {
        const report = await rollback(bucket, name, version, createProgress());
        printResult(options, report, () => describe(report, place));
      }),
    );
}

function describe({ name, version, replaced, changed }: RollbackReport, place: string): string {
  if (!changed) return `${name} ${version} is the live version of ${place} already; nothing was changed`;
  return `${name} ${version} is live in ${place} again; before it was ${replaced}`;
}
