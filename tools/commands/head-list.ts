/** `head list`: the heads in the bucket. */
import type { Command } from "commander";
import { type HeadListing, listHeads } from "../store/head-history.ts";
import { kilobytes, printResult, table } from "../terminal/output.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

export function addHeadList(program: Command): void {
  addBucketOptions(program.command("list"))
    .summary("show the heads in the bucket")
    .description(
      "Show the versions of each head in the bucket, newest first; * is live on the version of the model that stands beside it.",
    )
    .argument("[name]", "head to show (default: all)")
    .addHelpText("after", "\nExample:\n  npm run head -- list pets --remote")
    .action((name: string | undefined, options: BucketOptions) =>
      withBucket(options, async (bucket, place) => {
        const heads = await listHeads(bucket, name);
        printResult(options, { heads }, () => describe(heads, place));
      }),
    );
}

function describe(heads: readonly HeadListing[], place: string): string {
  if (heads.length === 0) return `${place} has no heads; put one into it: npm run head -- push FILE`;
  const rows = heads.flatMap(({ name, versions }) =>
    versions.map(({ version, backbone, live, pushed_at, bytes, there }) => [
      live ? "*" : "",
      name,
      version,
      backbone,
      there ? pushed_at : "its file is missing",
      kilobytes(bytes),
    ]),
  );
  return table([["", "head", "version", "model", "pushed", "size"], ...rows], [5]);
}
