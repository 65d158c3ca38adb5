/** `head evaluate`: measures a head on labelled photographs. */
import type { Command } from "@commander-js/extra-typings";
import { headLogits } from "../../src/head/head.ts";
import { listed, readDataset, refuseOrSkip, withoutProblems } from "../head/dataset.ts";
import { embed, findUndecodable, slowText } from "../head/embed.ts";
import { metricsOf } from "../head/metrics.ts";
import { plainView } from "../head/rows.ts";
import { accuracyText, confusionText } from "../head/training-report.ts";
import { readLocalHead } from "../store/local-head.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { CommandError } from "../terminal/fail.ts";
import { type OutputOptions, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { addCommand } from "./shared.ts";

/** Adds `head evaluate <file> <folder>`. */
export function addHeadEvaluate(program: Command): void {
  addCommand(
    program,
    "evaluate",
    "measure a head on labelled photographs",
    "pets.head.json photos/pets-holdout",
  )
    .description(
      "Score every photograph of a folder as the Worker would, and compare each result with the name of its class folder. Use photographs that the head was not trained on; on training photos the score is optimistic.",
    )
    .argument("<file>", "head file")
    .argument(
      "<folder>",
      "folder with one folder of image files per class, named like the head's classes or their ids",
    )
    .option("--model <name>", "pack with the features that the head was trained on (default: the head's)")
    .option("--skip-unreadable", "skip unusable files instead of failing")
    .action(evaluate);
}

async function evaluate(
  file: string,
  folder: string,
  options: OutputOptions & { model?: string | undefined; skipUnreadable?: boolean | undefined },
): Promise<void> {
  const progress = createProgress();
  const { head } = await readLocalHead(file);
  const { backbone, labels, name, version } = head.file;
  const pack = await readLocalPack(await findPackFolder(options.model ?? backbone.name));
  if (pack.manifest.name !== backbone.name || pack.manifest.version !== backbone.version) {
    throw new CommandError(
      `${file} was trained on ${backbone.name}/${backbone.version}, but the pack is ${pack.manifest.name}/${pack.manifest.version}; name the folder of that version with --model, or train the head again`,
    );
  }
  const dataset = await readDataset(userPath(folder));
  const names = labels.map(({ label }) => label);
  const ids = labels.map(({ id }) => id);
  const indexOf = (name: string) => (ids.includes(name) ? ids : names).indexOf(name);
  const unknown = dataset.classes.filter((name) => indexOf(name) === -1);
  if (unknown.length > 0) {
    const expected = labels.map(({ id, label }) => (id === label ? id : `${id} (${label})`));
    throw new CommandError(
      `${folder} has folders that are no class of the head: ${unknown.join(", ")}; expected some of ${expected.join(", ")}`,
    );
  }
  const { preprocessing } = pack.manifest;
  const skipped = [...dataset.problems, ...(await findUndecodable(dataset, preprocessing, progress))];
  refuseOrSkip(skipped, options.skipUnreadable ?? false);
  const { samples } = await embed(withoutProblems(dataset, skipped), pack, {
    augmentation: "none",
    progress,
    onPace: ({ runtime, difference }) => {
      progress.stop();
      if (runtime === "onnxruntime-web") process.stderr.write(`${slowText(difference)}\n`);
    },
  });
  if (samples.length === 0) throw new CommandError(`${folder} has no usable image; expected image files`);

  // headLogits already divides by the head's temperature, as when serving: hence a temperature of 1 here.
  const logits = samples.map((sample) => Float64Array.from(headLogits(head, plainView(sample))));
  const classes = samples.map(({ classIndex }) => indexOf(dataset.classes[classIndex]!));
  const metrics = metricsOf({ logits, classes }, names.length, 1);
  const reasons = skipped.map((problem) => `${problem.file}: ${problem.reason}`);
  printResult(options, { name, version, skipped: reasons, metrics }, () =>
    [
      ...(skipped.length > 0 ? [`skipped:\n${listed(skipped)}`] : []),
      confusionText(names, metrics),
      "",
      `accuracy  ${accuracyText(metrics)}`,
    ].join("\n"),
  );
}
