/** `list`: what the bucket holds. */
import type { Command } from "commander";
import { listModels, type ModelListing } from "../store/history.ts";
import { megabytes, printResult, table } from "../terminal/output.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

export function addList(program: Command): void {
  addBucketOptions(program.command("list"))
    .summary("show the versions in the bucket")
    .description("Show the versions of each model in the bucket, newest first; * is the live one.")
    .argument("[name]", "model to show (default: all)")
    .addHelpText("after", "\nExample:\n  npm run model -- list resnet34-v1-7 --remote")
    .action((name: string | undefined, options: BucketOptions) =>
      withBucket(options, async (bucket, place) => {
        const models = await listModels(bucket, name);
        printResult(options, { models }, () => describe(models, place));
      }),
    );
}

function describe(models: readonly ModelListing[], place: string): string {
  if (models.length === 0) {
    return `${place} is empty; put a pack into it: npm run model -- push resnet34-cifar10`;
  }
  const rows = models.flatMap(({ name, versions }) =>
    versions.map(({ version, live, pushed_at, objects, bytes }) => [
      live ? "*" : "",
      name,
      version,
      objects === 0
        ? "its objects are missing"
        : (pushed_at ?? "not finished, staged, or cut off while pruned"),
      String(objects),
      megabytes(bytes),
    ]),
  );
  return table([["", "model", "version", "pushed", "objects", "size"], ...rows], [4, 5]);
}
