/** `head train`: one's own classes from a folder of photographs. */
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Command, Option } from "commander";
import { packNameSchema } from "../../src/model/manifest.ts";
import { confusionPlot } from "../head/confusion-plot.ts";
import { type Dataset, readDataset } from "../head/dataset.ts";
import { embed } from "../head/embed.ts";
import { smallestClass } from "../head/folds.ts";
import { histogramSamples } from "../head/histogram.ts";
import { refuseOrSkip } from "../head/problems.ts";
import type { Sample } from "../head/rows.ts";
import { baselineMetrics, type TrainOptions, trainHead } from "../head/train.ts";
import { trainingRecord, trainingText } from "../head/training-report.ts";
import { type Augmentation, augmentations } from "../head/views.ts";
import { headBytes } from "../head/write-head.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { choiceOf, parseCount, parseFolds, parseName, parseShare } from "../terminal/options.ts";
import { jsonOption, type OutputOptions, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";

interface Options extends OutputOptions {
  readonly model: string;
  readonly name?: string;
  readonly out?: string;
  readonly method: "logistic" | "prototype";
  readonly augment: Augmentation;
  readonly folds: number;
  readonly seed: number;
  /** false with --no-unknown. */
  readonly unknown: boolean;
  readonly unknownRate: number;
  readonly baseline?: boolean;
  readonly skipUnreadable?: boolean;
}

export function addHeadTrain(program: Command): void {
  program
    .command("train")
    .summary("train a head on a folder of photographs")
    .description(
      "Train a head on a folder that has one folder of JPEG files a class. The model stays as it is: what is learnt is a linear layer on its features, on this machine's CPU.",
    )
    .argument("<folder>", "folder with one folder of JPEG files a class")
    .option("--model <name>", "pack whose features are used", "resnet34-cifar10")
    .option("--name <name>", "name of the head (default: that of the folder)", parseName)
    .option("--out <file>", "head file to write (default: NAME.head.json)")
    .addOption(
      new Option("--method <method>", "logistic: regression; prototype: class means, for a handful of photos")
        .argParser(choiceOf("logistic", "prototype"))
        .default("logistic"),
    )
    .addOption(
      new Option("--augment <views>", "views of each photo: none; flip: mirrored too; full: and four windows")
        .argParser(choiceOf(...augmentations))
        .default("full"),
    )
    .option("--folds <count>", "folds of the cross-validation, fewer for small classes", parseFolds, 5)
    .option("--seed <number>", "seed of the folds", parseCount, 1)
    .option("--unknown-rate <share>", "share of own photos that may be called unknown", parseShare, 0.05)
    .option("--no-unknown", "do not learn when an image is of no class; the file is smaller")
    .option("--baseline", "also tell what colour histograms alone would reach")
    .option("--skip-unreadable", "leave out what cannot be used, in place of refusing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  npm run head -- train photos/pets\n  npm run head -- train photos/pets --method prototype --name pets",
    )
    .action(train);
}

async function train(typed: string, options: Options): Promise<void> {
  const progress = createProgress();
  const folder = userPath(typed);
  const name = options.name ?? nameOf(folder);
  const pack = await readLocalPack(await findPackFolder(options.model));
  const dataset = await readDataset(folder);
  // What cannot be mended by leaving it out is told before the features take their time; then the whole list is.
  const hopeless = dataset.problems.some(({ canSkip }) => !canSkip);
  refuseOrSkip(dataset.problems, !hopeless || (options.skipUnreadable ?? false));
  const { samples, problems } = await embed(dataset, pack, options.augment, progress);
  const skipped = [...dataset.problems, ...problems];
  refuseOrSkip(skipped, options.skipUnreadable ?? false);
  requireEveryClass(dataset, samples, options.method);

  const trainOptions: TrainOptions = {
    method: options.method,
    classCount: dataset.classes.length,
    folds: options.folds,
    seed: options.seed,
    unknownRate: options.unknown ? options.unknownRate : undefined,
  };
  const trained = trainHead(samples, trainOptions, progress);
  const baseline = options.baseline
    ? baselineMetrics(
        await histogramSamples(dataset, samples, pack.manifest.preprocessing),
        trainOptions,
        progress,
      )
    : undefined;
  progress.stop();

  const { name: packName, version } = pack.manifest;
  const training = trainingRecord({ trained, samples, skipped, baseline, dataset, options });
  const bytes = await headBytes({
    ...trained,
    name,
    backbone: { name: packName, version },
    method: options.method,
    classes: dataset.classes,
    featureSize: pack.manifest.feature_size,
    training,
  });
  const out = userPath(options.out ?? `${name}.head.json`);
  await writeWhole(out, bytes);
  const picture = trained.metrics && `${out.replace(/\.json$/, "")}.confusion.svg`;
  if (picture && trained.metrics) {
    await writeWhole(picture, confusionPlot(`${name}: held-out images`, dataset.classes, trained.metrics));
  }
  const file = JSON.parse(new TextDecoder().decode(bytes)) as { version: string };
  const written = { name, version: file.version, file: out, bytes: bytes.length, confusion: picture ?? null };
  printResult(options, { ...written, training }, () =>
    trainingText({ trained, skipped, baseline, dataset, written, requestedFolds: options.folds }),
  );
}

/** The folder's name, as a head may be called. */
function nameOf(folder: string): string {
  const name = path.basename(folder).toLowerCase();
  if (packNameSchema.safeParse(name).success) return name;
  throw new CommandError(
    `the folder's name ${JSON.stringify(name)} cannot be a head's; give one of a-z, 0-9, '.', '_', '-': --name NAME`,
  );
}

function requireEveryClass({ classes }: Dataset, samples: readonly Sample[], method: string): void {
  const missing = classes.filter((_, c) => !samples.some(({ classIndex }) => classIndex === c));
  if (missing.length > 0) {
    throw new CommandError(
      `no usable image is left of ${missing.join(", ")}; expected at least one: add JPEG files, or remove the folder`,
    );
  }
  if (method === "logistic" && smallestClass(samples.map(({ classIndex }) => classIndex)) < 2) {
    throw new CommandError(
      "a class has one image only; the regression needs two of each to be checked: add some, or use --method prototype",
    );
  }
}

/** A head file is there whole or not at all. */
async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const part = `${file}.part`;
  await writeFile(part, content);
  await rename(part, file);
}
