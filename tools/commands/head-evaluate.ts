/** `head evaluate`: how good a head is on labelled photographs. */
import type { Command } from "commander";
import { headLogits } from "../../src/head/head.ts";
import { readDataset } from "../head/dataset.ts";
import { embed } from "../head/embed.ts";
import { metricsOf } from "../head/metrics.ts";
import { listed, refuseOrSkip } from "../head/problems.ts";
import { accuracyText, confusionText } from "../head/report.ts";
import { plainView } from "../head/rows.ts";
import { readLocalHead } from "../store/local-head.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { jsonOption, type OutputOptions, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";

interface Options extends OutputOptions {
  readonly model?: string;
  readonly skipUnreadable?: boolean;
}

export function addHeadEvaluate(program: Command): void {
  program
    .command("evaluate")
    .summary("tell how good a head is on labelled photographs")
    .description(
      "Score every photograph of a folder as the Worker would, and compare with the folder it lies in. Use photographs that the head was not trained on: it knows those.",
    )
    .argument("<file>", "head file")
    .argument("<folder>", "folder with one folder of JPEG files a class, named as the head's classes")
    .option("--model <name>", "pack with the features that the head was trained on (default: the head's)")
    .option("--skip-unreadable", "leave out what cannot be used, in place of refusing")
    .option(...jsonOption)
    .addHelpText("after", "\nExample:\n  npm run head -- evaluate pets.head.json photos/pets-holdout")
    .action(evaluate);
}

async function evaluate(file: string, folder: string, options: Options): Promise<void> {
  const progress = createProgress();
  const { head } = await readLocalHead(file);
  const { backbone, labels, name, version } = head.file;
  const pack = await readLocalPack(await findPackFolder(options.model ?? backbone.name));
  if (pack.manifest.name !== backbone.name || pack.manifest.version !== backbone.version) {
    throw new CommandError(
      `${file} is for ${backbone.name}/${backbone.version}; here is ${pack.manifest.name}/${pack.manifest.version}: name the folder of that version (--model), or train the head again`,
    );
  }
  const dataset = await readDataset(userPath(folder));
  const names = labels.map(({ label }) => label);
  const strangers = dataset.classes.filter((label) => !names.includes(label));
  if (strangers.length > 0) {
    throw new CommandError(
      `${folder} has folders that are no class of the head: ${strangers.join(", ")}; expected some of ${names.join(", ")}`,
    );
  }
  refuseOrSkip(dataset.problems, true);
  const { samples, problems } = await embed(dataset, pack, "none", progress);
  const skipped = [...dataset.problems, ...problems];
  refuseOrSkip(skipped, options.skipUnreadable ?? false);
  progress.stop();
  if (samples.length === 0) throw new CommandError(`${folder} has no usable image; expected JPEG files`);

  const scored = {
    // Divided by the head's temperature already, as served.
    logits: samples.map((sample) => Float64Array.from(headLogits(head, plainView(sample)))),
    classes: samples.map(({ classIndex }) => names.indexOf(dataset.classes[classIndex]!)),
  };
  const metrics = metricsOf(scored, names.length, 1);
  printResult(
    options,
    { name, version, skipped: skipped.map(({ file: left, reason }) => `${left}: ${reason}`), metrics },
    () =>
      [
        ...(skipped.length > 0 ? [`left out:\n${listed(skipped)}`] : []),
        confusionText(names, metrics),
        "",
        `accuracy  ${accuracyText(metrics)}`,
      ].join("\n"),
  );
}
