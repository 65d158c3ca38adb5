/** The commands that commands print: each is one that the programs accept, and names what it is meant to name. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { parse } from "shell-quote";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { describeHeadPush, describePush, type Place, workerModel } from "../../cli/commands/bucket.ts";
import { describePack } from "../../cli/commands/pack.ts";
import { headProgram, modelProgram } from "../../cli/commands/programs.ts";
import { npmRun } from "../../cli/commands/shared.ts";
import { randomHead } from "../../cli/head/random-head.ts";
import { BucketFixError } from "../../cli/store/bucket.ts";
import { listHeads, listModels, prune, rollbackHead } from "../../cli/store/history.ts";
import { findPackFolder, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { pushHead } from "../../cli/store/push.ts";
import { userPath } from "../../cli/terminal/paths.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { parseHead } from "../../src/head/head.ts";
import type { Backbone } from "../../src/head/live-heads.ts";
import { seedHeads } from "../support/head.ts";
import { StoreMemoryBucket } from "../support/store-memory-bucket.ts";
import { seedTinyPack, tinyName } from "../support/tiny-pack.ts";

/** Words of each command in a text that begins with `npm`. */
function commandsIn(text: string): string[][] {
  return [...text.matchAll(/npm (?:run|start).*$/gm)].map(([line]) => parse(line).map(String));
}

/** Parses a printed `npm run` command with its program. Returns its arguments and options; its work is not done. */
async function accepted([npm, run, script, dashes, ...args]: readonly string[]) {
  expect([npm, run, dashes]).toEqual(["npm", "run", "--"]);
  const program: CommandUnknownOpts = script === "model" ? modelProgram() : headProgram();
  const command = program.commands.find((each) => each.name() === args[0])!;
  const action = vi.fn();
  command.action(action);
  await program.exitOverride().parseAsync(args, { from: "user" });
  expect(action).toHaveBeenCalledOnce();
  return { args: command.args, options: command.opts() };
}

const worker = { model: defaultModelName, refreshSeconds: 60 };
const remote: Place = { name: "weights", remote: true, flags: ["--remote"], worker };
const local: Place = { name: "weights", remote: false, flags: [], worker };
const pushed = {
  ...{ version: "0".repeat(16), uploaded: 1, uploaded_bytes: 1, skipped: 0, live: true, replaced: null },
};
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hints-"));
  vi.stubEnv("INIT_CWD", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe("after pack", () => {
  test.each(["my pack", path.join("deep", defaultModelName), defaultModelName])(
    "in the folder %j, start and push take that folder",
    async (typed) => {
      const out = userPath(typed);
      await cp(path.join(packsFolder, defaultModelName), out, { recursive: true });
      const { manifest } = await readLocalPack(out);
      const agreement = {
        images: 1,
        top1: 1,
        top5: 1,
        mean_kl: 0,
        median_kl: 0,
        max_kl: 0,
        mean_cosine: 1,
        worst_cosine: 1,
      };
      const text = describePack({
        ...{
          folder: out,
          manifest,
          architecture: "ResNet34",
          heap: { simd: 1, onnxruntime: 2 },
          warnings: [],
          seconds: 1,
        },
        agreement: { ...agreement, on: "synthetic", worst_image: "" },
      });
      const [start, push] = commandsIn(text);
      expect(start!.slice(0, 4)).toEqual(["npm", "start", "--", "--model"]);
      expect(await findPackFolder(start![4]!)).toBe(out);
      const { args, options } = await accepted(push!);
      expect(await findPackFolder(args[0]!)).toBe(out);
      expect(options).toMatchObject({ remote: true });
    },
  );
});

describe("after a push of a model that the Worker does not serve", () => {
  test("to the account: says which model wrangler.toml names, and how to change that", () => {
    const report = { ...pushed, name: "my-cifar" };
    const text = describePush(report, remote, path.join(packsFolder, "my-cifar"));
    expect(text).toContain(
      `the Worker serves another model: wrangler.toml names ${defaultModelName} (MODEL_NAME)`,
    );
    expect(text).toMatch(/to serve my-cifar: npm run deploy -- --model my-cifar$/);
    expect(describePush(report, remote, folder)).toContain(
      "copy its folder to model-shards/my-cifar, then npm run",
    );
  });

  test("to the local bucket: npm start takes the folder that was pushed", async () => {
    const out = userPath("my-cifar");
    await cp(path.join(packsFolder, defaultModelName), out, { recursive: true });
    const text = describePush({ ...pushed, name: "my-cifar" }, local, out);
    const [start] = commandsIn(text.split("to serve my-cifar: ")[1]!);
    expect(await findPackFolder(start![4]!)).toBe(out);
  });

  test("nothing of the sort for the served model; it says how long the Worker takes", () => {
    const text = describePush({ ...pushed, name: defaultModelName }, remote, folder);
    expect(text).not.toContain("to serve");
    expect(text).toContain("a running Worker uses it within 60 seconds (MODEL_REFRESH_SECONDS)");
  });
});

describe("after a push of a head", () => {
  const report = {
    ...{ name: "pets", version: "1".repeat(16), backbone_is_live: true, uploaded: true, bytes: 1 },
    replaced: null,
  };

  test("says how long the Worker may answer 404", () => {
    const text = describeHeadPush({ ...report, backbone: `${defaultModelName}/1` }, remote);
    expect(text).toContain("within 60 seconds (MODEL_REFRESH_SECONDS); until then ?head=pets may answer 404");
  });

  test("says that the Worker serves another model than the head's", () => {
    const text = describeHeadPush({ ...report, backbone: "my-cifar/1" }, remote);
    expect(text).toContain(
      `wrangler.toml names ${defaultModelName} (MODEL_NAME); the head answers only when it`,
    );
  });
});

test("the command that undoes a push works on the same bucket", async () => {
  const place = { ...remote, flags: ["--remote", "--bucket", "weights"] };
  const replaced = "2".repeat(16);
  const texts = [
    describePush({ ...pushed, name: "tiny", replaced }, place, folder),
    describeHeadPush(
      {
        ...{ name: "tiny", version: "1", backbone: "m/1", backbone_is_live: true, uploaded: true, bytes: 1 },
        replaced,
      },
      place,
    ),
  ];
  for (const text of texts) {
    const { args, options } = await accepted(commandsIn(text.split("to undo: ")[1]!)[0]!);
    expect(args).toEqual(["tiny", replaced]);
    expect(options).toMatchObject({ remote: true, bucket: "weights" });
  }
});

describe("after an error of the bucket, the command that fixes it works on the same bucket:", () => {
  const bucket = new StoreMemoryBucket();
  const backbones = ["0", "1"].map((digit) => ({ name: tinyName, version: digit.repeat(16) }));
  const made = (name: string, backbone: Backbone) => randomHead({ name, seed: 1, backbone, featureSize: 3 });

  beforeAll(async () => {
    await seedTinyPack(bucket);
    await seedHeads(bucket, ...(await Promise.all(backbones.map((backbone) => made("pets", backbone)))));
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ["an unknown model", () => listModels(bucket, "nix"), "model push nix"],
    ["an unknown head", () => listHeads(bucket, "nix"), "head push FILE"],
    [
      "a model to prune",
      () => prune(bucket, "nix", { keep: 1, orphans: false, dryRun: false }, silentProgress),
      "model push nix",
    ],
    ["a head on several models", () => rollbackHead(bucket, "pets"), "head list pets"],
    [
      "a head of a missing model",
      async () => {
        const { file, bytes } = await made("new", backbones[0]!);
        const head = await parseHead(bytes);
        return pushHead(bucket, { head, content: bytes, sha256: file.version }, silentProgress);
      },
      "model push tiny",
    ],
  ])("%s", async (_, work, expected) => {
    const error = await work().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BucketFixError);
    const { message } = (error as BucketFixError).onBucket(["--remote", "--bucket", "weights"]);
    const [words] = commandsIn(message);
    const { args, options } = await accepted(words!);
    expect([words![2], words![4], ...args].join(" ")).toBe(expected);
    expect(options).toMatchObject({ remote: true, bucket: "weights" });
  });
});

test("arguments are quoted for a shell", async () => {
  const [words] = commandsIn(npmRun("head", "push", "/tmp/my photos/it's.json"));
  expect((await accepted(words!)).args).toEqual(["/tmp/my photos/it's.json"]);
});

test("the settings of wrangler.toml say which model and head the deployed Worker serves; npm start names its own model", () => {
  const vars = { MODEL_NAME: "my-cifar", MODEL_REFRESH_SECONDS: 5, CDN_HEAD: "pets" };
  expect(workerModel(vars, true)).toEqual({ model: "my-cifar", cdnHead: "pets", refreshSeconds: 5 });
  expect(workerModel(vars, false)).toEqual({ model: defaultModelName, cdnHead: "pets", refreshSeconds: 5 });
  expect(workerModel({}, true)).toEqual({ model: defaultModelName, refreshSeconds: 60 });
});
