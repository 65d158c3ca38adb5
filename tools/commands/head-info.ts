/** `head info`: what a head file on this machine is. */
import type { Command } from "commander";
import { backboneText } from "../../src/head/live-heads.ts";
import { type LocalHead, readLocalHead } from "../store/local-head.ts";
import { leafRows } from "../terminal/leaves.ts";
import { jsonOption, kilobytes, type OutputOptions, printResult, table } from "../terminal/output.ts";

/** Labels shown before the rest is only counted. */
const shownLabels = 20;

export function addHeadInfo(program: Command): void {
  program
    .command("info")
    .summary("show what a head is")
    .description("Show what a head file is: classes, model, method, calibration, how it was trained.")
    .argument("<file>", "head file")
    .option(...jsonOption)
    .addHelpText("after", "\nExample:\n  npm run head -- info pets.json")
    .action(async (file: string, options: OutputOptions) => {
      const local = await readLocalHead(file);
      printResult(options, headInfo(local), () => describe(local));
    });
}

/** The file without its matrices. */
function headInfo({ head, content }: LocalHead) {
  const { weights: _weights, bias: _bias, unknown, ...file } = head.file;
  return { ...file, unknown: unknown && { threshold: unknown.threshold }, bytes: content.length };
}

function describe({ head, content }: LocalHead): string {
  const { name, version, backbone, method, labels, feature_size, normalize, temperature, unknown, training } =
    head.file;
  const shown = labels.slice(0, shownLabels).map(({ label }) => label);
  const more = labels.length > shown.length ? `, and ${labels.length - shown.length} more` : "";
  return table([
    ["name", name],
    ["version", version],
    ["model", backboneText(backbone)],
    ["classes", `${labels.length}: ${shown.join(", ")}${more}`],
    ["method", `${method}, ${feature_size} features, normalize ${normalize}`],
    ["temperature", String(temperature)],
    ["unknown images", unknown ? `cosine under ${unknown.threshold}` : "not told"],
    ["size", kilobytes(content.length)],
    ...leafRows("training", training),
  ]);
}
