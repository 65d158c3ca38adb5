/** `info`: what a pack on this machine is. */
import type { Command } from "commander";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { type PackInfo, packInfo } from "../store/pack-info.ts";
import { jsonOption, megabytes, type OutputOptions, printResult, table } from "../terminal/output.ts";

export function addInfo(program: Command): void {
  program
    .command("info")
    .summary("show what a pack is")
    .description(
      "Show what a pack on this machine is: layers, sizes, precision, agreement, where it came from.",
    )
    .argument("<pack>", "folder of a pack, or the name of one in model-shards")
    .option(...jsonOption)
    .addHelpText("after", "\nExample:\n  npm run model -- info resnet34-cifar10")
    .action(async (name: string, options: OutputOptions) => {
      const info = await packInfo(await readLocalPack(await findPackFolder(name)));
      printResult(options, info, () => describeInfo(info));
    });
}

export function describeInfo(info: PackInfo): string {
  const { source, input, preprocessing: pre } = info;
  const url = source.url === undefined ? [] : [["", source.url]];
  const facts = [
    ["name", info.name],
    ["version", info.version],
    ["source", `${source.file}, ${megabytes(source.bytes)}`],
    ...url,
    ["", `SHA-256 ${source.sha256}`],
    ["licence", source.licence],
    ["input", `${input.name} [${input.shape.join(", ")}]`],
    ["preprocessing", `${pre.resize} ${pre.size}, crop ${pre.crop}, ${pre.interpolation}, ${pre.color}`],
    ["", `mean ${pre.mean.join(" ")}, std ${pre.std.join(" ")}`],
    ["classes", `${info.classes}, from ${info.feature_size} features`],
    ["layers", `${info.conv_layers} convolutions, ${info.dense_layers} dense`],
    ["precision", info.precision],
    ...describeReport(info.quantisation),
    ["size", `${megabytes(info.bytes)} in all`],
  ];
  const shards = info.shards.map(({ file, bytes, nodes, conv_layers }) => [
    file,
    megabytes(bytes),
    String(conv_layers),
    String(nodes),
  ]);
  return `${table(facts)}\n\n${table([["shard", "size", "convolutions", "nodes"], ...shards], [1, 2, 3])}`;
}

/** The report is for people and free in form: each value under its path. */
function describeReport(report: PackInfo["quantisation"]): string[][] {
  if (report === null) return [];
  const lines = leaves(report, "").map(([key, value]) => `${key}: ${value}`);
  return lines.map((line, i) => [i === 0 ? "quantisation" : "", line]);
}

function leaves(value: unknown, key: string): [string, string][] {
  if (value === null || typeof value !== "object") return [[key, shortNumber(value)]];
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== "object")) {
    return [[key, value.map(shortNumber).join(", ")]];
  }
  return Object.entries(value).flatMap(([k, v]) => leaves(v, key === "" ? k : `${key}.${k}`));
}

function shortNumber(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}
