/** The commands that work on a bucket: push, list, rollback and prune, of models and heads. */
import path from "node:path";
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { defaultModelName } from "../../src/default-model.ts";
import { defaultModelRefreshMs } from "../../src/limits.ts";
import { BucketFixError, type StoreBucket } from "../store/bucket.ts";
import {
  type DeleteReport,
  deleteHead,
  deleteModel,
  deleteModelVersion,
  type HeadListing,
  listHeads,
  listModels,
  type ModelListing,
  type PruneReport,
  prune,
  type RollbackReport,
  rollback,
  rollbackHead,
} from "../store/history.ts";
import { readLocalHead } from "../store/local-head.ts";
import { findPackFolder, packArgument, packsFolder, readLocalPack } from "../store/local-pack.ts";
import { type HeadPushReport, type PushReport, pushHead, pushPack } from "../store/push.ts";
import { parseCount } from "../terminal/options.ts";
import { kilobytes, megabytes, printResult, table } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { addCommand, npmRun } from "./shared.ts";

/** Adds `model push <pack>`. */
export function addPush(program: Command): void {
  bucketCommand(program, "push", "upload a pack and make it live", "resnet34-v1-7", "resnet34-v1-7 --remote")
    .description(
      "Upload a pack and make it live. Files that the bucket already has are skipped. If the push is interrupted, the live version does not change: run it again.",
    )
    .argument("<pack>", "folder of a pack, or a name in model-shards")
    .option("--stage", "only upload; push its heads, then push again without --stage to go live")
    .action(async (name, options) => {
      const pack = await readLocalPack(await findPackFolder(name));
      const { stage = false } = options;
      const push = (bucket: StoreBucket) => pushPack(bucket, pack, createProgress(), { stage });
      await runOnBucket(options, push, (report, place) => describePush(report, place, pack.folder));
    });
}

/** Adds `head push <file>`. */
export function addHeadPush(program: Command): void {
  bucketCommand(program, "push", "upload a head and make it live", "pets.json", "pets.json --remote")
    .description(
      "Upload a head and make it live on the model version that it was trained on, which must be in the bucket. If the push is interrupted, the live head does not change: run it again.",
    )
    .argument("<file>", "head file")
    .action(async (file, options) => {
      const head = await readLocalHead(file);
      await runOnBucket(options, (bucket) => pushHead(bucket, head, createProgress()), describeHeadPush);
    });
}

/** Adds `model list [name]`. */
export function addList(program: Command): void {
  bucketCommand(program, "list", "show the versions in the bucket", "resnet34-v1-7 --remote")
    .description("Show the versions of each model in the bucket, newest first. * marks the live one.")
    .argument("[name]", "model to show (default: all)")
    .action((name, options) =>
      runOnBucket(options, async (bucket) => ({ models: await listModels(bucket, name) }), describeModels),
    );
}

/** Adds `head list [name]`. */
export function addHeadList(program: Command): void {
  bucketCommand(program, "list", "show the heads in the bucket", "pets --remote")
    .description(
      "Show the versions of each head in the bucket, newest first. * marks a version that is live on the model version in its row.",
    )
    .argument("[name]", "head to show (default: all)")
    .action((name, options) =>
      runOnBucket(options, async (bucket) => ({ heads: await listHeads(bucket, name) }), describeHeads),
    );
}

/** Adds `model rollback <name> <version>`. */
export function addRollback(program: Command): void {
  bucketCommand(
    program,
    "rollback",
    "make an earlier version live again",
    "resnet34-v1-7 0123456789abcdef --remote",
  )
    .description("Check every object of an earlier version, then make it live again. Deletes nothing.")
    .argument("<name>", "model")
    .argument("<version>", "version, as `list` shows it")
    .action((name, version, options) =>
      runOnBucket(options, (bucket) => rollback(bucket, name, version, createProgress()), describeRollback),
    );
}

/** Adds `head rollback <name> [version]`. */
export function addHeadRollback(program: Command): void {
  bucketCommand(
    program,
    "rollback",
    "make an earlier version of a head live again",
    "pets 0123456789abcdef --remote",
  )
    .description(
      "Check the file of an earlier version of a head, then make it live again on its model version. Deletes nothing.",
    )
    .argument("<name>", "head")
    .argument("[version]", "version, as `list` shows it (default: the one before the live one)")
    .action((name, version, options) =>
      runOnBucket(options, (bucket) => rollbackHead(bucket, name, version), describeRollback),
    );
}

/** Adds `model prune <name>`. */
export function addPrune(program: Command): void {
  bucketCommand(program, "prune", "delete old versions", "resnet34-v1-7 --keep 2 --remote")
    .description(
      "Delete old versions of a model: all but the live one and the newest others. The live version is always kept.",
    )
    .argument("<name>", "model")
    .option("--keep <count>", "versions to keep, including the live one", parseCount, 2)
    .option("--orphans", "also delete what interrupted pushes and prunes left; do not use during a push")
    .option("--dry-run", "only show what would be deleted")
    .action((name, options) => {
      const { keep, orphans = false, dryRun = false } = options;
      const request = { keep, orphans, dryRun };
      return runOnBucket(options, (bucket) => prune(bucket, name, request, createProgress()), describePrune);
    });
}

/** The bucket that a command works on, and the Worker that reads it. */
export interface Place {
  readonly name: string;
  readonly remote: boolean;
  /** Options that choose this bucket, for the commands that are printed. */
  readonly flags: readonly string[];
  /** What the Worker of wrangler.toml or `npm start` does, which reads the bucket. Undefined for other buckets. */
  readonly worker: WorkerModel | undefined;
}

/** The model and the head that the settings of a Worker name. */
export interface WorkerModel {
  readonly model: string;
  /** CDN_HEAD: the head of GET /cdn/. */
  readonly cdnHead?: string | undefined;
  /** Seconds within which a running Worker uses what is pushed. */
  readonly refreshSeconds: number;
}

/** Adds `model delete <name> [version]`. */
export function addDelete(program: Command): void {
  bucketCommand(program, "delete", "delete a model, or one version of it", "my-resnet --remote")
    .description(
      "Delete a model with all its versions, or one version that is not live. Do not use it while the model is pushed.",
    )
    .argument("<name>", "model")
    .argument("[version]", "version, as `list` shows it (default: all, with the live one)")
    .option("--force", "delete the whole model although a Worker may serve it")
    .action((name, version, options) => {
      const { force = false } = options;
      const work = (bucket: StoreBucket, { worker }: Place) =>
        version === undefined
          ? deleteModel(
              bucket,
              name,
              { mayBeServed: !worker || worker.model === name, force },
              createProgress(),
            )
          : deleteModelVersion(bucket, name, version, createProgress());
      return runOnBucket(options, work, describeDelete);
    });
}

/** Adds `head delete <name>`. */
export function addHeadDelete(program: Command): void {
  bucketCommand(program, "delete", "delete a head", "pets --remote")
    .description(
      "Delete a head with all its versions. Requests for it then answer 404. Do not use it while the head is pushed.",
    )
    .argument("<name>", "head")
    .option("--force", "delete it although CDN_HEAD in wrangler.toml names it")
    .action((name, options) => {
      const { force = false } = options;
      const work = (bucket: StoreBucket, { worker }: Place) =>
        deleteHead(bucket, name, { isCdnHead: worker?.cdnHead === name, force });
      return runOnBucket(options, work, describeDelete);
    });
}

function describeDelete(report: DeleteReport, place: Place): string {
  const { name, deleted, deleted_objects, deleted_bytes } = report;
  const size = `${deleted_objects} objects, ${megabytes(deleted_bytes)}`;
  return `${name}: ${deleted.join(", ")} deleted from ${nameOf(place)}: ${size}`;
}

/** Says what a push did, what the Worker serves, and how to undo it. @param folder of the pack */
export function describePush(report: PushReport, place: Place, folder: string): string {
  const { name, version, uploaded, uploaded_bytes, skipped, replaced, live } = report;
  const sent =
    uploaded === 0 ? "nothing to upload" : `${uploaded} files, ${megabytes(uploaded_bytes)} uploaded`;
  const done = `${sent}${skipped === 0 ? "" : `, ${skipped} already there`}`;
  if (!live) {
    return `${name} ${version} is in ${nameOf(place)} but not live: ${done}\nto make it live, push it again without --stage`;
  }
  return `${name} ${version} is live in ${nameOf(place)}: ${done}${served(name, place, folder)}${undo("model", name, replaced, place)}`;
}

/** Says which model the Worker serves, and how to serve this one if it is another. */
function served(name: string, { remote, worker }: Place, folder: string): string {
  if (!worker) return "";
  if (worker.model === name) return `\n${refreshText(worker)}`;
  const inPacks = folder === path.join(packsFolder, name);
  const move = inPacks ? "" : `copy its folder to model-shards/${name}, then `;
  const serve = remote
    ? `${move}${npmRun("deploy", "--model", name)}`
    : npmRun("start", "--model", packArgument(folder));
  return `\n${otherModel(worker, remote)}\nto serve ${name}: ${serve}`;
}

function otherModel({ model }: WorkerModel, remote: boolean): string {
  return remote
    ? `the Worker serves another model: wrangler.toml names ${model} (MODEL_NAME)`
    : `npm start serves another model, ${model}, unless you name one`;
}

function refreshText({ refreshSeconds }: WorkerModel): string {
  return `a running Worker uses it within ${refreshSeconds} seconds (MODEL_REFRESH_SECONDS)`;
}

function nameOf({ name, remote }: Place): string {
  return `the ${remote ? "remote" : "local"} bucket ${name}`;
}

/** Says what a push of a head did, and from when the Worker answers with it. */
export function describeHeadPush(report: HeadPushReport, place: Place): string {
  const { name, version, backbone, backbone_is_live, uploaded, bytes, replaced } = report;
  const sent = uploaded ? `${kilobytes(bytes)} uploaded` : "already there";
  const waits = backbone_is_live
    ? ""
    : "\nthat model version is not live: the Worker uses the head once it is";
  const { worker } = place;
  const model = backbone.split("/")[0];
  const when = !worker
    ? ""
    : worker.model === model
      ? `\n${refreshText(worker)}; until then ?head=${name} may answer 404 or with the version before`
      : `\n${otherModel(worker, place.remote)}; the head answers only when it serves ${model}`;
  return `${name} ${version} is live on ${backbone} in ${nameOf(place)}: ${sent}${waits}${when}${undo("head", name, replaced, place)}`;
}

function undo(script: "model" | "head", name: string, replaced: string | null, { flags }: Place): string {
  return replaced === null ? "" : `\nto undo: ${npmRun(script, "rollback", name, replaced, ...flags)}`;
}

function describeModels({ models }: { models: readonly ModelListing[] }, place: Place): string {
  if (models.length === 0)
    return `${nameOf(place)} is empty; push a pack to it: ${npmRun("model", "push", defaultModelName, ...place.flags)}`;
  const rows = models.flatMap(({ name, versions }) =>
    versions.map(({ version, live, pushed_at, objects, bytes }) => {
      const pushed =
        objects === 0 ? "its objects are missing" : (pushed_at ?? "not finished, or only staged");
      return [live ? "*" : "", name, version, pushed, String(objects), megabytes(bytes)];
    }),
  );
  return table([["", "model", "version", "pushed", "objects", "size"], ...rows], [4, 5]);
}

function describeHeads({ heads }: { heads: readonly HeadListing[] }, place: Place): string {
  if (heads.length === 0)
    return `${nameOf(place)} has no heads; push one to it: ${npmRun("head", "push", "FILE", ...place.flags)}`;
  const rows = heads.flatMap(({ name, versions }) =>
    versions.map(({ version, backbone, live, pushed_at, bytes, there }) => {
      const pushed = there ? pushed_at : "its file is missing";
      return [live ? "*" : "", name, version, backbone, pushed, kilobytes(bytes)];
    }),
  );
  return table([["", "head", "version", "model", "pushed", "size"], ...rows], [5]);
}

function describeRollback(report: RollbackReport, place: Place): string {
  const { name, version, backbone, replaced, changed } = report;
  const where = backbone === undefined ? `in ${nameOf(place)}` : `on ${backbone} in ${nameOf(place)}`;
  if (!changed) return `${name} ${version} is already live ${where}; nothing was changed`;
  const when = place.worker ? `\n${refreshText(place.worker)}` : "";
  return `${name} ${version} is live again ${where}${replaced === null ? "" : `; it replaces ${replaced}`}${when}`;
}

function describePrune(report: PruneReport, place: Place): string {
  const { name, live, kept, deleted, deleted_objects, deleted_bytes, orphans, dry_run } = report;
  const size = `${deleted_objects} objects, ${megabytes(deleted_bytes)}`;
  const lines = [
    deleted.length === 0
      ? `${name}: nothing to delete from ${nameOf(place)}`
      : `${name}: ${deleted.join(", ")} ${dry_run ? "would be " : ""}deleted from ${nameOf(place)}: ${size}`,
    `kept: ${kept.map((version) => (version === live ? `${version} (live)` : version)).join(", ")}`,
  ];
  if (orphans.length > 0) {
    lines.push(`left by an interrupted push or prune: ${orphans.join(", ")}; --orphans deletes them`);
  }
  return lines.join("\n");
}

/** Adds a command with the options that choose the bucket. */
function bucketCommand(program: Command, name: string, summary: string, ...calls: readonly string[]) {
  return addCommand(program, name, summary, ...calls)
    .addOption(new Option("--local", "the local bucket of wrangler dev (default)").conflicts("remote"))
    .addOption(
      new Option("--remote", "the bucket in your Cloudflare account").conflicts(["local", "persistTo"]),
    )
    .option("--bucket <name>", "bucket to use (default: bucket_name in wrangler.toml)", parseBucketName)
    .option("--persist-to <folder>", "folder of the local storage, as for wrangler dev");
}

/** Runs `work` on the bucket that the options name, and prints its report: as JSON with --json, otherwise as `toText`. */
async function runOnBucket<T>(
  options: ReturnType<ReturnType<typeof bucketCommand>["opts"]>,
  work: (bucket: StoreBucket, place: Place) => Promise<T>,
  toText: (report: T, place: Place) => string,
): Promise<void> {
  const { bucket: chosen, persistTo, remote } = options;
  // Imported here because loading wrangler takes most of a second, which help does not need.
  const { bucketNameOf, readProjectConfig } = await import("../store/platform-config.ts");
  const project = readProjectConfig();
  const bound = bucketNameOf(project);
  const name = chosen ?? bound;
  const place: Place = {
    name,
    remote: remote === true,
    flags: [
      ...(remote ? ["--remote"] : []),
      ...(chosen === undefined ? [] : ["--bucket", chosen]),
      ...(persistTo === undefined ? [] : ["--persist-to", persistTo]),
    ],
    worker:
      name === bound && persistTo === undefined ? workerModel(project.vars, remote === true) : undefined,
  };
  const run = async (bucket: StoreBucket) => {
    const report = await work(bucket, place).catch((error: unknown) => {
      throw error instanceof BucketFixError ? error.onBucket(place.flags) : error;
    });
    printResult(options, report, () => toText(report, place));
  };
  if (remote) {
    process.stderr.write(`connecting to the bucket ${name} in your Cloudflare account\n`);
    const { withRemoteBucket } = await import("../store/remote-bucket.ts");
    return withRemoteBucket(run, { bucket: name });
  }
  const { withLocalBucket } = await import("../store/local-bucket.ts");
  return withLocalBucket(run, { bucket: name, persistTo: persistTo && userPath(persistTo) });
}

/** Reads which model and head the variables of wrangler.toml name. `npm start` names the model itself. */
export function workerModel(vars: Readonly<Record<string, unknown>>, remote: boolean): WorkerModel {
  return {
    model: remote ? String(vars.MODEL_NAME ?? defaultModelName) : defaultModelName,
    cdnHead: vars.CDN_HEAD === undefined ? undefined : String(vars.CDN_HEAD),
    refreshSeconds: Number(vars.MODEL_REFRESH_SECONDS ?? defaultModelRefreshMs / 1000),
  };
}

/** Accepts what R2 allows as a bucket name. */
function parseBucketName(value: string): string {
  if (/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(value)) return value;
  throw new InvalidArgumentError("expected 3 to 63 of a-z, 0-9 and '-', not beginning or ending with '-'");
}
