/** `head push`: a head into the bucket, live with its last write. */
import type { Command } from "commander";
import { readLocalHead } from "../store/local-head.ts";
import { type HeadPushReport, pushHead } from "../store/push-head.ts";
import { kilobytes, printResult } from "../terminal/output.ts";
import { createProgress } from "../terminal/progress.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

export function addHeadPush(program: Command): void {
  addBucketOptions(program.command("push"))
    .summary("upload a head and make it live")
    .description(
      "Upload a head and make it live on the version of the model that it was trained on, which must be in the bucket. Interrupted, the head that was live still is: run it again.",
    )
    .argument("<file>", "head file")
    .addHelpText(
      "after",
      "\nExamples:\n  npm run head -- push pets.json\n  npm run head -- push pets.json --remote",
    )
    .action(async (file: string, options: BucketOptions) => {
      const head = await readLocalHead(file);
      await withBucket(options, async (bucket, place) => {
        const report = await pushHead(bucket, head, createProgress());
        printResult(options, report, () => describe(report, place));
      });
    });
}

function describe(report: HeadPushReport, place: string): string {
  const { name, version, backbone, backbone_is_live, uploaded, bytes, replaced } = report;
  const sent = uploaded ? `${kilobytes(bytes)} uploaded` : "already there";
  const waits = backbone_is_live
    ? ""
    : "\nthat version of the model is not live: the head is used once it is";
  const back =
    replaced === null ? "" : `\nback to what was live: npm run head -- rollback ${name} ${replaced}`;
  return `${name} ${version} is live on ${backbone} in ${place}: ${sent}${waits}${back}`;
}
