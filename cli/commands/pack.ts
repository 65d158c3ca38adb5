/** `model pack`: converts an ONNX ResNet into a pack. */
import { access } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "@commander-js/extra-typings";
import { cacheFolder, findInCatalogue } from "../fetch/catalogue.ts";
import { defaultShardBytes, type PackReport, packModel } from "../pack/pack.ts";
import { packsFolder } from "../store/local-pack.ts";
import { describeAgreement } from "../terminal/agreement.ts";
import { CommandError } from "../terminal/fail.ts";
import { parseCount, parseMebibytes, parseName } from "../terminal/options.ts";
import { jsonOption, megabytes, printResult, table } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { examples } from "./shared.ts";

/** Adds `pack <file.onnx>`. */
export function addPack(program: Command): void {
  program
    .command("pack")
    .summary("make a pack of an ONNX ResNet")
    .description(
      "Make a pack of an ONNX ResNet (v1: 18 to 152 of the ONNX model zoo, or as torchvision exports it): fold BatchNorm, quantise to int8, cut into shards, compare with the original.",
    )
    .argument("<file.onnx>", "the float32 model, or the name of a fetched one such as resnet34-v1-7")
    .option("--name <name>", "name of the pack (default: the file's name)", parseName)
    .option("--out <folder>", "folder of the pack (default: model-shards/<name>)")
    .option("--labels <file>", "one label per line, or JSON (default for 1000 classes: ImageNet's)")
    .addOption(
      new Option("--precision <precision>", "of weights and activations")
        .choices(["int8", "fp32"] as const)
        .default("int8" as const),
    )
    .option("--calibrate <dir>", "photographs to choose activation ranges from (default: synthetic pictures)")
    .option("--evaluate <dir>", "other photographs, on which the pack is compared with the original")
    .addOption(
      new Option("--resize <mode>", "how an image is fitted before the crop")
        .choices(["shortest-edge", "stretch"] as const)
        .default("shortest-edge" as const),
    )
    .option("--resize-size <pixels>", "side before the crop (default: input * 256 / 224)", parseCount)
    .option("--input-size <pixels>", "input side, where the model leaves it free (default: 224)", parseCount)
    .option("--shard-mib <mib>", "largest shard, at most 8 (default: 5 MB)", parseMebibytes)
    .option("--allow-large", "write a pack that does not fit the Worker's memory")
    .option("--licence <id>", "licence of the weights, for the manifest")
    .option("--url <url>", "source of the weights, for the manifest")
    .option(...jsonOption)
    .addHelpText(
      "after",
      examples(
        "npm run model -- pack resnet34-v1-7",
        "npm run model -- pack my-resnet.onnx --labels labels.txt --calibrate photos --licence MIT",
      ),
    )
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
          shardBytes: options.shardMib ?? defaultShardBytes,
          licence: options.licence ?? fetched?.licence,
          url: options.url ?? fetched?.url,
        },
        progress.update.bind(progress),
      ).finally(() => progress.stop());
      const { manifest, predictedHeapBytes, ...rest } = report;
      const { version } = manifest;
      const document = { name, version, ...rest, predicted_heap_bytes: predictedHeapBytes };
      printResult(options, document, () => describe(report));
    });
}

function describe({ manifest, architecture, folder, predictedHeapBytes, seconds, agreement }: PackReport) {
  const { name, version, precision, shards } = manifest;
  const facts = table([
    ["pack", `${name} ${version}, ${architecture}, ${precision}`],
    ["folder", folder],
    ["size", `${megabytes(shards.reduce((sum, { bytes }) => sum + bytes, 0))} in ${shards.length} shards`],
    ["WASM heap", `about ${Math.round(predictedHeapBytes / 2 ** 20)} MiB`],
    ["took", `${seconds.toFixed(1)} s`],
  ]);
  const next = `serve it:  npm start -- --model ${name}\npush it:   npm run model -- push ${name} --remote`;
  return `${facts}\n${describeAgreement(agreement)}\n\n${next}`;
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
