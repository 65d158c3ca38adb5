/** `model list` and `head list`: show what the bucket holds. */
import type { Command } from "@commander-js/extra-typings";
import { type HeadListing, listHeads } from "../store/head-history.ts";
import { listModels, type ModelListing } from "../store/history.ts";
import { kilobytes, megabytes, table } from "../terminal/output.ts";
import { bucketCommand, examples, runOnBucket } from "./shared.ts";

/** Adds `model list [name]`. */
export function addList(program: Command): void {
  bucketCommand(program, "list")
    .summary("show the versions in the bucket")
    .description("Show the versions of each model in the bucket, newest first. * marks the live one.")
    .argument("[name]", "model to show (default: all)")
    .addHelpText("after", examples("npm run model -- list resnet34-v1-7 --remote"))
    .action((name, options) =>
      runOnBucket(options, async (bucket) => ({ models: await listModels(bucket, name) }), describeModels),
    );
}

/** Adds `head list [name]`. */
export function addHeadList(program: Command): void {
  bucketCommand(program, "list")
    .summary("show the heads in the bucket")
    .description(
      "Show the versions of each head in the bucket, newest first. * marks the version that is live on the model version beside it.",
    )
    .argument("[name]", "head to show (default: all)")
    .addHelpText("after", examples("npm run head -- list pets --remote"))
    .action((name, options) =>
      runOnBucket(options, async (bucket) => ({ heads: await listHeads(bucket, name) }), describeHeads),
    );
}

function describeModels({ models }: { models: readonly ModelListing[] }, place: string): string {
  if (models.length === 0)
    return `${place} is empty; put a pack into it: npm run model -- push resnet34-cifar10`;
  const rows = models.flatMap(({ name, versions }) =>
    versions.map(({ version, live, pushed_at, objects, bytes }) => {
      const pushed =
        objects === 0 ? "its objects are missing" : (pushed_at ?? "not finished, or only staged");
      return [live ? "*" : "", name, version, pushed, String(objects), megabytes(bytes)];
    }),
  );
  return table([["", "model", "version", "pushed", "objects", "size"], ...rows], [4, 5]);
}

function describeHeads({ heads }: { heads: readonly HeadListing[] }, place: string): string {
  if (heads.length === 0) return `${place} has no heads; put one into it: npm run head -- push FILE`;
  const rows = heads.flatMap(({ name, versions }) =>
    versions.map(({ version, backbone, live, pushed_at, bytes, there }) => {
      const pushed = there ? pushed_at : "its file is missing";
      return [live ? "*" : "", name, version, backbone, pushed, kilobytes(bytes)];
    }),
  );
  return table([["", "head", "version", "model", "pushed", "size"], ...rows], [5]);
}
