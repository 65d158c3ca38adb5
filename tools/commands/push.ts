/** `push`: a pack into the bucket, live with its last write. */
import type { Command } from "commander";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { type PushOptions, type PushReport, pushPack } from "../store/push.ts";
import { megabytes, printResult } from "../terminal/output.ts";
import { createProgress } from "../terminal/progress.ts";
import { addBucketOptions, type BucketOptions, withBucket } from "./bucket-options.ts";

export function addPush(program: Command): void {
  addBucketOptions(program.command("push"))
    .summary("upload a pack and make it live")
    .description(
      "Upload a pack and make it live. What the bucket holds already is skipped. Interrupted, the version that was live still is: run it again.",
    )
    .argument("<pack>", "folder of a pack, or the name of one in model-shards")
    .option("--stage", "upload only; a push without it makes it live, once the heads for it are there")
    .addHelpText(
      "after",
      "\nExamples:\n  npm run model -- push resnet34-v1-7\n  npm run model -- push resnet34-v1-7 --remote",
    )
    .action(async (name: string, options: BucketOptions & PushOptions) => {
      const pack = await readLocalPack(await findPackFolder(name));
      await withBucket(options, async (bucket, place) => {
        const report = await pushPack(bucket, pack, createProgress(), options);
        printResult(options, toJson(report), () => describePush(report, place));
      });
    });
}

export function describePush(report: PushReport, place: string): string {
  const { name, version, uploaded, uploadedBytes, skipped, replaced, live } = report;
  const sent =
    uploaded === 0 ? "nothing to upload" : `${uploaded} files, ${megabytes(uploadedBytes)} uploaded`;
  const there = skipped === 0 ? "" : `, ${skipped} already there`;
  if (!live) {
    return `${name} ${version} is in ${place}, not live: ${sent}${there}\npush it again without --stage to make it live`;
  }
  const back =
    replaced === null ? "" : `\nback to what was live: npm run model -- rollback ${name} ${replaced}`;
  return `${name} ${version} is live in ${place}: ${sent}${there}${back}`;
}

function toJson({ uploadedBytes, ...report }: PushReport) {
  const { name, version, uploaded, skipped, replaced, live } = report;
  return { name, version, uploaded, uploaded_bytes: uploadedBytes, skipped, replaced, live };
}
