/** `info`: what a pack on this machine is. */
import type { Command } from "commander";
import { findPackFolder, readLocalPack } from "../store/local-pack.ts";
import { type PackInfo, packInfo } from "../store/pack-info.ts";
import { leafRows } from "../terminal/leaves.ts";
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
    ...leafRows("quantisation", info.quantisation),
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
