/** `head train`: learns your own classes from a folder of photographs. */
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "@commander-js/extra-typings";
import { defaultModelName } from "../../src/default-model.ts";
import { packNameSchema } from "../../src/model/manifest.ts";
import { confusionPlot } from "../head/confusion-plot.ts";
import { type Dataset, readDataset, refuseOrSkip, withoutProblems } from "../head/dataset.ts";
import {
  augmentations,
  embed,
  findUndecodable,
  histogramSamples,
  type Pace,
  slowText,
} from "../head/embed.ts";
import type { Metrics } from "../head/metrics.ts";
import { smallestClass, trainHead } from "../head/train.ts";
import { trainingRecord, trainingText } from "../head/training-report.ts";
import { headFile } from "../head/write-head.ts";
import { plainLabels, readClassLabels } from "../pack/labels.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { parseCount, parseFolds, parseName, parseShare } from "../terminal/options.ts";
import { printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { addCommand } from "./shared.ts";

/** Adds `head train <folder>`. */
export function addHeadTrain(program: Command): void {
  trainCommand(program).action(train);
}

function trainCommand(program: Command) {
  return addCommand(
    program,
    "train",
    "train a head on a folder of photographs",
    "photos/pets",
    "photos/pets --method prototype --name pets",
  )
    .description(
      "Train a head on a folder that has one folder of image files per class. The model itself does not change: training fits a linear layer on its features, on this machine's CPU.",
    )
    .argument("<folder>", "folder with one folder of image files per class")
    .option("--model <name>", "pack whose features are used", defaultModelName)
    .option("--name <name>", "name of the head (default: the folder's name)", parseName)
    .option("--out <file>", "head file to write (default: NAME.head.json)")
    .option(
      "--labels <file>",
      "display names: a folder and its name on each line, or JSON (default: the folders)",
    )
    .addOption(
      new Option("--method <method>", "logistic: regression; prototype: class means, for a handful of photos")
        .choices(["logistic", "prototype"] as const)
        .default("logistic" as const),
    )
    .addOption(
      new Option("--augment <views>", "views of each photo; flip adds its mirror image, full also four crops")
        .choices(augmentations)
        .default("flip" as const),
    )
    .option("--folds <count>", "cross-validation folds; small classes get fewer", parseFolds, 5)
    .option("--seed <number>", "seed of the folds", parseCount, 1)
    .option("--unknown-rate <share>", "share of your photos that may be called unknown", parseShare, 0.05)
    .option("--no-unknown", "do not learn to reject unknown images; the file is smaller")
    .option("--baseline", "also report what colour histograms alone reach")
    .option("--skip-unreadable", "skip unusable files instead of failing");
}

async function train(
  typed: string,
  options: ReturnType<ReturnType<typeof trainCommand>["opts"]>,
): Promise<void> {
  const progress = createProgress();
  const folder = userPath(typed);
  const { method, skipUnreadable = false } = options;
  const name = options.name ?? nameOf(folder);
  const pack = await readLocalPack(await findPackFolder(options.model));
  const { manifest } = pack;
  const found = await readDataset(folder);
  const skipped = [...found.problems, ...(await findUndecodable(found, manifest.preprocessing, progress))];
  refuseOrSkip(skipped, skipUnreadable);
  const dataset = withoutProblems(found, skipped);
  requireEveryClass(dataset, method);
  const { classes } = dataset;
  const labels =
    options.labels === undefined
      ? plainLabels(classes)
      : await readClassLabels(userPath(options.labels), classes);
  const { samples, runtime } = await embed(dataset, pack, {
    augmentation: options.augment,
    progress,
    onPace: (pace) => {
      progress.stop();
      process.stderr.write(`${paceText(dataset.images.length, pace)}\n`);
    },
  });

  const trainOptions = {
    method,
    classCount: classes.length,
    folds: options.folds,
    seed: options.seed,
    unknownRate: options.unknown ? options.unknownRate : undefined,
  };
  const trained = trainHead(samples, trainOptions, progress);
  let baseline: Metrics | undefined;
  if (options.baseline) {
    const histograms = await histogramSamples(dataset, samples, manifest.preprocessing);
    const baselineOptions = { ...trainOptions, method: "logistic", unknownRate: undefined } as const;
    baseline = trainHead(histograms, baselineOptions, progress).metrics;
  }

  const outcome = { trained, skipped, baseline, dataset, labels, runtime };
  const training = trainingRecord(outcome, samples, options);
  const backbone = { name: manifest.name, version: manifest.version };
  const facts = { name, backbone, method, feature_size: manifest.feature_size, training };
  const { file, bytes } = await headFile(trained, labels, facts);
  const out = userPath(options.out ?? `${name}.head.json`);
  await writeAtomically(out, bytes);
  const confusion = trained.metrics ? `${out.replace(/\.json$/, "")}.confusion.svg` : null;
  if (confusion && trained.metrics) {
    const names = labels.map(({ label }) => label);
    const svg = confusionPlot(`${name}: held-out images`, names, trained.metrics);
    await writeAtomically(confusion, svg);
  }
  const written = { name, version: file.version, file: out, bytes: bytes.length, confusion };
  printResult(options, { ...written, training }, () => trainingText(outcome, written, options.folds));
}

/** Says how long the features of all images take, and why if it is long. Exported for tests. */
export function paceText(images: number, { runtime, difference, secondsPerImage }: Pace): string {
  const seconds = images * secondsPerImage;
  const time =
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} seconds` : `${Math.round(seconds / 60)} minutes`;
  const expected = `the features of ${images} images take about ${time}, ${secondsPerImage.toFixed(2)} s each; cross-validation follows`;
  return runtime === "onnxruntime-node" ? expected : `${slowText(difference)}\n${expected}`;
}

/** The head's name, taken from its folder. */
function nameOf(folder: string): string {
  const name = path.basename(folder).toLowerCase();
  if (packNameSchema.safeParse(name).success) return name;
  throw new CommandError(`the folder name ${JSON.stringify(name)} is not a valid head name`, {
    fix: "choose one of a-z, 0-9, '.', '_', '-' with --name NAME",
  });
}

function requireEveryClass({ classes, images }: Dataset, method: string): void {
  const missing = classes.filter((_, c) => !images.some(({ classIndex }) => classIndex === c));
  if (missing.length > 0) {
    throw new CommandError(`no usable image is left in ${missing.join(", ")}; expected at least one`, {
      fix: "add image files, or remove the folder",
    });
  }
  if (method === "logistic" && smallestClass(images.map(({ classIndex }) => classIndex)) < 2) {
    throw new CommandError(
      "a class has one image only, and the regression requires two per class for validation",
      { fix: "add images, or use --method prototype" },
    );
  }
}

/** Writes a whole file or nothing. */
async function writeAtomically(file: string, content: Uint8Array | string): Promise<void> {
  await writeFile(`${file}.part`, content);
  await rename(`${file}.part`, file);
}
