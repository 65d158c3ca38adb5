/** `pack`: an ONNX ResNet to a pack that serves. */
import { access } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { cacheFolder } from "../fetch/cache-folder.ts";
import { findInCatalogue } from "../fetch/catalogue.ts";
import { defaultShardBytes, type PackOptions, packModel } from "../pack/pack.ts";
import { packsFolder } from "../store/local-pack.ts";
import { describeAgreement } from "../terminal/agreement.ts";
import { CommandError } from "../terminal/fail.ts";
import { choiceOf, parseCount, parseMebibytes, parseName } from "../terminal/options.ts";
import { jsonOption, megabytes, type OutputOptions, printResult, table } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";

interface PackCommandOptions extends OutputOptions {
  readonly name?: string;
  readonly out?: string;
  readonly labels?: string;
  readonly precision: "int8" | "fp32";
  readonly calibrate?: string;
  readonly evaluate?: string;
  readonly resize: "shortest-edge" | "stretch";
  readonly resizeSize?: number;
  readonly inputSize?: number;
  readonly shardMib?: number;
  readonly allowLarge?: boolean;
  readonly licence?: string;
  readonly url?: string;
}

export function addPack(program: Command): void {
  program
    .command("pack")
    .summary("make a pack of an ONNX ResNet")
    .description(
      "Make a pack of an ONNX ResNet (v1: 18 to 152 of the ONNX model zoo, or as torchvision exports it): fold BatchNorm, quantise to int8, cut into shards, compare with the original.",
    )
    .argument("<file.onnx>", "the model, in float32; or the name of one that was fetched, as resnet34-v1-7")
    .option("--name <name>", "name of the pack; the file's without it", parseName)
    .option("--out <folder>", "folder of the pack; model-shards/<name> without it")
    .option("--labels <file>", "a label a line, or JSON; ImageNet's for 1000 classes without it")
    .option("--precision <precision>", "int8 or fp32", choiceOf("int8", "fp32"), "int8")
    .option(
      "--calibrate <dir>",
      "photographs that choose the activation ranges; without it, synthetic pictures",
    )
    .option("--evaluate <dir>", "other photographs, on which the pack is compared with the original")
    .option(
      "--resize <mode>",
      "shortest-edge or stretch",
      choiceOf("shortest-edge", "stretch"),
      "shortest-edge",
    )
    .option(
      "--resize-size <pixels>",
      "side after resizing, before the crop; input * 256 / 224 without it",
      parseCount,
    )
    .option("--input-size <pixels>", "input side, where the model leaves it free; 224 without it", parseCount)
    .option("--shard-mib <mib>", "largest shard, at most 8; 5 MB without it", parseMebibytes)
    .option("--allow-large", "write a pack that does not fit the Worker's memory")
    .option("--licence <id>", "licence of the weights, for the manifest")
    .option("--url <url>", "where the weights come from, for the manifest")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  npm run model -- pack resnet34-v1-7\n  npm run model -- pack my-resnet.onnx --labels labels.txt --calibrate photos --licence MIT",
    )
    .action(async (file: string, options: PackCommandOptions) => {
      const progress = createProgress();
      const report = await packModel(await toPackOptions(file, options), (stage, done, total) =>
        progress.update(stage, done, total),
      ).finally(() => progress.stop());
      const { manifest, agreement } = report;
      const document = {
        folder: report.folder,
        name: manifest.name,
        version: manifest.version,
        architecture: report.architecture,
        predicted_heap_bytes: report.predictedHeapBytes,
        seconds: report.seconds,
        agreement,
      };
      printResult(options, document, () => {
        const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
        const facts = table([
          ["pack", `${manifest.name} ${manifest.version}, ${report.architecture}, ${manifest.precision}`],
          ["folder", report.folder],
          ["size", `${megabytes(bytes)} in ${manifest.shards.length} shards`],
          ["WASM heap", `about ${Math.round(report.predictedHeapBytes / 2 ** 20)} MiB`],
          ["took", `${report.seconds.toFixed(1)} s`],
        ]);
        const next = `\nserve it:  npm start -- --model ${manifest.name}\npush it:   npm run model -- push ${manifest.name} --remote`;
        return `${facts}\n${describeAgreement(agreement)}\n${next}`;
      });
    });
}

async function toPackOptions(argument: string, options: PackCommandOptions): Promise<PackOptions> {
  const fetched = await fetchedModel(argument);
  const file = fetched?.file ?? userPath(argument);
  const name =
    options.name ??
    path
      .basename(file)
      .replace(/\.onnx$/i, "")
      .toLowerCase();
  const licence = options.licence ?? fetched?.licence;
  const url = options.url ?? fetched?.url;
  return {
    file,
    out: options.out === undefined ? path.join(packsFolder, name) : userPath(options.out),
    name,
    precision: options.precision,
    resize: options.resize,
    shardBytes: options.shardMib ?? defaultShardBytes,
    ...(options.labels === undefined ? {} : { labels: userPath(options.labels) }),
    ...(options.calibrate === undefined ? {} : { calibrateDir: userPath(options.calibrate) }),
    ...(options.evaluate === undefined ? {} : { evaluateDir: userPath(options.evaluate) }),
    ...(options.resizeSize === undefined ? {} : { resizeSize: options.resizeSize }),
    ...(options.inputSize === undefined ? {} : { inputSize: options.inputSize }),
    ...(options.allowLarge === undefined ? {} : { allowLarge: options.allowLarge }),
    ...(licence === undefined ? {} : { licence }),
    ...(url === undefined ? {} : { url }),
  };
}

/** A model of the catalogue by its name, from where `fetch` puts it. */
async function fetchedModel(
  name: string,
): Promise<{ file: string; licence: string; url: string | undefined } | undefined> {
  const entry = findInCatalogue(name);
  if (!entry) return undefined;
  const file = path.join(cacheFolder(), entry.file);
  await access(file).catch(() => {
    throw new CommandError(`${name} has not been fetched yet; run npm run model -- fetch ${name} first`);
  });
  return { file, licence: entry.licence, url: entry.urls[0] };
}
