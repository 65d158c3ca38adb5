/** `model push` and `head push`: upload a pack or a head and make it live with the last write. */
import type { Command } from "@commander-js/extra-typings";
import { readLocalHead } from "../store/local-head.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { type PushReport, pushPack } from "../store/push.ts";
import { type HeadPushReport, pushHead } from "../store/push-head.ts";
import { kilobytes, megabytes } from "../terminal/output.ts";
import { createProgress } from "../terminal/progress.ts";
import { bucketCommand, examples, runOnBucket } from "./shared.ts";

/** Adds `model push <pack>`. */
export function addPush(program: Command): void {
  bucketCommand(program, "push")
    .summary("upload a pack and make it live")
    .description(
      "Upload a pack and make it live. Files that the bucket already holds are skipped. If the push is interrupted, the live version does not change: run it again.",
    )
    .argument("<pack>", "folder of a pack, or the name of one in model-shards")
    .option("--stage", "only upload; once its heads are pushed, push again without it to go live")
    .addHelpText(
      "after",
      examples("npm run model -- push resnet34-v1-7", "npm run model -- push resnet34-v1-7 --remote"),
    )
    .action(async (name, options) => {
      const pack = await readLocalPack(await findPackFolder(name));
      const push = { stage: options.stage ?? false };
      await runOnBucket(
        options,
        (bucket) => pushPack(bucket, pack, createProgress(), push),
        describePush,
        ({ uploadedBytes, ...report }) => ({ ...report, uploaded_bytes: uploadedBytes }),
      );
    });
}

/** Adds `head push <file>`. */
export function addHeadPush(program: Command): void {
  bucketCommand(program, "push")
    .summary("upload a head and make it live")
    .description(
      "Upload a head and make it live on the model version that it was trained on, which must be in the bucket. If the push is interrupted, the live head does not change: run it again.",
    )
    .argument("<file>", "head file")
    .addHelpText(
      "after",
      examples("npm run head -- push pets.json", "npm run head -- push pets.json --remote"),
    )
    .action(async (file, options) => {
      const head = await readLocalHead(file);
      await runOnBucket(options, (bucket) => pushHead(bucket, head, createProgress()), describeHeadPush);
    });
}

/** Says what a push did, and how to undo it. `place` names the bucket. */
export function describePush(report: PushReport, place: string): string {
  const { name, version, uploaded, uploadedBytes, skipped, replaced, live } = report;
  const sent =
    uploaded === 0 ? "nothing to upload" : `${uploaded} files, ${megabytes(uploadedBytes)} uploaded`;
  const there = skipped === 0 ? "" : `, ${skipped} already there`;
  if (!live) {
    return `${name} ${version} is in ${place} but not live: ${sent}${there}\nto make it live, push it again without --stage`;
  }
  return `${name} ${version} is live in ${place}: ${sent}${there}${undo("model", name, replaced)}`;
}

function describeHeadPush(report: HeadPushReport, place: string): string {
  const { name, version, backbone, backbone_is_live, uploaded, bytes, replaced } = report;
  const sent = uploaded ? `${kilobytes(bytes)} uploaded` : "already there";
  const waits = backbone_is_live
    ? ""
    : "\nthat model version is not live: the Worker uses the head once it is";
  return `${name} ${version} is live on ${backbone} in ${place}: ${sent}${waits}${undo("head", name, replaced)}`;
}

function undo(script: "model" | "head", name: string, replaced: string | null): string {
  return replaced === null ? "" : `\nto undo: npm run ${script} -- rollback ${name} ${replaced}`;
}
