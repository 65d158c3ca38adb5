/** `model info` and `head info`: show what a local pack or head file contains. */
import type { Command } from "@commander-js/extra-typings";
import { z } from "zod";
import { defaultModelName } from "../../src/default-model.ts";
import type { HeadFile } from "../../src/head/head.ts";
import { backboneText } from "../../src/head/live-heads.ts";
import { confusionText } from "../head/training-report.ts";
import { type LocalHead, readLocalHead } from "../store/local-head.ts";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { type PackInfo, packInfo } from "../store/pack-info.ts";
import { kilobytes, megabytes, printResult, table } from "../terminal/output.ts";
import { confidentText, scoreRows } from "../terminal/score-rows.ts";
import { addCommand } from "./shared.ts";

/** Number of labels that `head info` lists. */
const shownLabels = 20;
/** What `head info` says of heads of format 1. */
const notMeasured = "not measured: train the head again";

/** Adds `model info <pack>`. */
export function addInfo(program: Command): void {
  addCommand(program, "info", "show what a pack is", defaultModelName)
    .description("Show a local pack: layers, sizes, precision, agreement with its source, origin.")
    .argument("<pack>", "folder of a pack, or a name in model-shards")
    .action(async (name, options) => {
      const info = await packInfo(await readLocalPack(await findPackFolder(name)));
      printResult(options, info, () => describePack(info));
    });
}

/** Adds `head info <file>`. */
export function addHeadInfo(program: Command): void {
  addCommand(program, "info", "show what a head is", "pets.json")
    .description("Show a head file: classes, model, method, calibration, training.")
    .argument("<file>", "head file")
    .action(async (file, options) => {
      const local = await readLocalHead(file);
      const { weights: _weights, bias: _bias, unknown, ...rest } = local.head.file;
      const { centroids: _centroids, ...detection } = unknown ?? {};
      const document = { ...rest, unknown: unknown && detection, bytes: local.content.length };
      printResult(options, document, () => describeHead(local));
    });
}

function describePack(info: PackInfo): string {
  const { source, input, preprocessing: pre } = info;
  const facts = [
    ["name", info.name],
    ["version", info.version],
    ["source", `${source.file}, ${megabytes(source.bytes)}`],
    ...(source.url === undefined ? [] : [["", source.url]]),
    ["", `SHA-256 ${source.sha256}`],
    ["licence", source.licence],
    ["input", `${input.name} [${input.shape.join(", ")}]`],
    ["preprocessing", `${pre.resize} ${pre.size}, crop ${pre.crop}, ${pre.interpolation}, ${pre.color}`],
    ["", `mean ${pre.mean.join(" ")}, std ${pre.std.join(" ")}`],
    ["classes", `${info.classes}, from ${info.feature_size} features`],
    ["layers", `${info.conv_layers} convolutions, ${info.dense_layers} dense`],
    ["precision", info.precision],
    ...scoreRows(info.scores),
    ...reportRows("quantisation", info.quantisation ?? {}),
    ["size", `${megabytes(info.bytes)} in all`],
  ];
  const shards = info.shards.map(({ file, bytes, nodes, conv_layers }) => {
    return [file, megabytes(bytes), String(conv_layers), String(nodes)];
  });
  return `${table(facts)}\n\n${table([["shard", "size", "convolutions", "nodes"], ...shards], [1, 2, 3])}`;
}

/** Describes a head file. Exported for tests. */
export function describeHead({ head: { file }, content }: LocalHead): string {
  const shown = file.labels.slice(0, shownLabels).map(({ label }) => label);
  const more = file.labels.length > shown.length ? `, and ${file.labels.length - shown.length} more` : "";
  const { data: heldOut } = heldOutSchema.safeParse(file.training.held_out);
  const facts = table([
    ["name", file.name],
    ["version", file.version],
    ["model", backboneText(file.backbone)],
    ["classes", `${file.labels.length}: ${shown.join(", ")}${more}`],
    ["method", `${file.method}, ${file.feature_size} features, normalize ${file.normalize}`],
    ["temperature", String(file.temperature)],
    ["confident answers", file.confident === undefined ? notMeasured : confidentText(file.confident)],
    ["unknown images", unknownText(file)],
    ["size", kilobytes(content.length)],
    ...reportRows("training", heldOut ? withoutMatrix(file.training, heldOut) : file.training),
  ]);
  if (!heldOut) return facts;
  const labels = file.labels.map(({ label }) => label);
  return `${facts}\n\nheld-out images:\n${confusionText(labels, heldOut)}`;
}

/** What training recorded of each class, which is printed as a table. */
const heldOutSchema = z.looseObject({
  confusion: z.array(z.array(z.number())),
  recall: z.array(z.number()),
  precision: z.array(z.number().nullable()),
});

function withoutMatrix(training: HeadFile["training"], heldOut: z.infer<typeof heldOutSchema>) {
  const { confusion: _confusion, recall: _recall, precision: _precision, ...rest } = heldOut;
  return { ...training, held_out: rest };
}

function unknownText({ format, unknown }: HeadFile): string {
  if (!unknown) return "not detected";
  const advice = format === 1 ? "; by features, which detect few: train the head again" : "";
  return `cosine under ${unknown.threshold}${advice}`;
}

/** Table rows for a report of any shape: one per value, with its path. The first row has the title. */
function reportRows(title: string, report: Readonly<Record<string, unknown>>): string[][] {
  return valueLines(report, "").map((line, i) => [i === 0 ? title : "", line]);
}

function valueLines(value: unknown, key: string): string[] {
  const isList = Array.isArray(value) && value.every((item) => item === null || typeof item !== "object");
  if (isList) return [`${key}: ${value.map(shortNumber).join(", ")}`];
  if (value === null || typeof value !== "object") return [`${key}: ${shortNumber(value)}`];
  return Object.entries(value).flatMap(([k, v]) => valueLines(v, key === "" ? k : `${key}.${k}`));
}

function shortNumber(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}
