/** `model pack`: converts an ONNX ResNet into a pack. */
import { access } from "node:fs/promises";
import path from "node:path";
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { cacheFolder, findInCatalogue } from "../fetch/catalogue.ts";
import { heapTexts } from "../pack/heap.ts";
import { defaultShardBytes, type PackReport, packModel } from "../pack/pack.ts";
import type { Triple } from "../pack/resnet.ts";
import { packArgument, packsFolder } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { parseCount, parseMebibytes, parseName, parseShare } from "../terminal/options.ts";
import { describeAgreement, megabytes, printResult, table } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { scoreRows } from "../terminal/score-rows.ts";
import { addCommand, npmRun } from "./shared.ts";

/** The --min-agreement option of `pack` and `verify`. */
export const minAgreementOption = [
  "--min-agreement <share>",
  "smallest share of images on which pack and model must have the same first class",
  parseShare,
  0.9,
] as const;

/** Adds `pack <file.onnx>`. */
export function addPack(program: Command): void {
  addCommand(
    program,
    "pack",
    "make a pack of an ONNX ResNet",
    "resnet34-v1-7",
    "my-resnet.onnx --labels labels.txt --calibrate photos --licence MIT",
    "my-resnet.onnx --mean 0.5 --std 0.5",
  )
    .description(
      "Make a pack of an ONNX ResNet (v1: 18 to 152 of the ONNX model zoo, or as torchvision exports it): fold BatchNorm, quantise to int8, cut into shards, compare with the original. Exits with 1 and writes nothing when they agree on too few images.",
    )
    .argument("<file.onnx>", "the float32 model, or the name of a fetched one such as resnet34-v1-7")
    .option("--name <name>", "name of the pack (default: the file's name)", parseName)
    .option(
      "--out <folder>",
      "folder of the pack (default: model-shards/<name>); it must be new, empty or a pack",
    )
    .option("--labels <file>", "one label per line, or JSON (default for 1000 classes: ImageNet's)")
    .addOption(
      new Option("--precision <precision>", "of weights and activations")
        .choices(["int8", "fp32"] as const)
        .default("int8" as const),
    )
    .option(
      "--calibrate <dir>",
      "photographs to choose activation ranges from (default: synthetic pictures); without --evaluate, every fifth is held out for the comparison",
    )
    .option(
      "--evaluate <dir>",
      "other photographs, to compare pack and original: in folders named like the labels, or named like truck-0517.jpg",
    )
    .option(
      "--foreign <dir>",
      "photographs of none of the classes, to measure how the pack answers them; made like those of --evaluate",
    )
    .option(
      "--target-precision <share>",
      "share of confident answers that should be right, on --evaluate",
      parseShare,
      0.8,
    )
    .addOption(
      new Option("--resize <mode>", "how an image is fitted before the crop")
        .choices(["shortest-edge", "stretch"] as const)
        .default("shortest-edge" as const),
    )
    .option("--resize-size <pixels>", "side before the crop (default: input * 256 / 224)", parseCount)
    .option(
      "--mean <values>",
      "mean that the model's training subtracted: one number, or three (default: ImageNet's)",
      parseTriple,
    )
    .option("--std <values>", "standard deviation that it divided by: one number, or three", parseTriple)
    .option("--input-range <black,white>", "pixel values before mean and std (default: 0,1)", parseRange)
    .addOption(
      new Option("--channels <order>", "order of the channels that the model takes")
        .choices(["rgb", "bgr"] as const)
        .default("rgb" as const),
    )
    .option("--input-size <pixels>", "input side, where the model leaves it free (default: 224)", parseCount)
    .option("--shard-mib <mib>", "largest shard, at most 8 (default: 5 MB)", parseMebibytes)
    .option(...minAgreementOption)
    .option("--allow-large", "write a pack that does not fit the Worker's memory")
    .option("--force", "replace a pack that was made from another file")
    .option("--licence <id>", "licence of the weights, for the manifest")
    .option("--url <url>", "source of the weights, for the manifest")
    .action(async (argument, options) => {
      const fetched = await fetchedModel(argument);
      const file = fetched?.file ?? userPath(argument);
      const typed = (folder: string | undefined) => (folder === undefined ? undefined : userPath(folder));
      const name =
        options.name ??
        path
          .basename(file)
          .replace(/\.onnx$/i, "")
          .toLowerCase();
      const progress = createProgress();
      const report = await packModel(
        {
          ...options,
          file,
          name,
          out: typed(options.out) ?? path.join(packsFolder, name),
          labels: typed(options.labels),
          calibrateDir: typed(options.calibrate),
          evaluateDir: typed(options.evaluate),
          foreignDir: typed(options.foreign),
          shardBytes: options.shardMib ?? defaultShardBytes,
          licence: options.licence ?? fetched?.licence,
          url: options.url ?? fetched?.url,
        },
        progress.update.bind(progress),
      ).finally(() => progress.stop());
      const { manifest, heap, ...rest } = report;
      const { version } = manifest;
      const document = { name, version, ...rest, heap_bytes: heap };
      for (const text of report.warnings) process.stderr.write(`warning: ${text}\n`);
      printResult(options, document, () => describePack(report));
    });
}

/** Describes a new pack. Exported for tests. */
export function describePack({ manifest, architecture, folder, heap, seconds, agreement }: PackReport) {
  const { name, version, precision, shards } = manifest;
  const facts = table([
    ["pack", `${name} ${version}, ${architecture}, ${precision}`],
    ["folder", folder],
    ["size", `${megabytes(shards.reduce((sum, { bytes }) => sum + bytes, 0))} in ${shards.length} shards`],
    ...heapTexts(heap).map((text, i) => [i === 0 ? "WASM memory" : "", text] as const),
    ["took", `${seconds.toFixed(1)} s`],
  ]);
  const pack = packArgument(folder);
  const next = `serve it:  ${npmRun("start", "--model", pack)}\npush it:   ${npmRun("model", "push", pack, "--remote")}`;
  return `${facts}\n${describeAgreement(agreement, ", held out: no activation range was chosen on them")}\n${table(scoreRows(manifest.scores))}\n\n${next}`;
}

/** Parses one number for all channels, or one for each: `0.5`, `0.485,0.456,0.406`. */
function parseTriple(value: string): Triple {
  const [first, second, third] = parseNumbers(value, [1, 3]) as [number, number?, number?];
  return [first, second ?? first, third ?? first];
}

/** Parses the values of black and white: `0,255`. */
function parseRange(value: string): [number, number] {
  const [black, white] = parseNumbers(value, [2]) as [number, number];
  if (black < white) return [black, white];
  throw new InvalidArgumentError("expected the value of black, then a larger one of white, as in -1,1");
}

function parseNumbers(value: string, counts: readonly number[]): number[] {
  const numbers = value.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (numbers.every(Number.isFinite) && counts.includes(numbers.length)) return numbers;
  throw new InvalidArgumentError(`expected ${counts.join(" or ")} numbers with commas between them`);
}

/** The file and the origin of a catalogue model, where `fetch` puts it; undefined for other names. */
async function fetchedModel(name: string) {
  const entry = findInCatalogue(name);
  if (!entry) return undefined;
  const file = path.join(cacheFolder(), entry.file);
  await access(file).catch(() => {
    throw new CommandError(`${name} has not been fetched yet; run npm run model -- fetch ${name} first`);
  });
  return { file, licence: entry.licence, url: entry.urls[0] };
}
