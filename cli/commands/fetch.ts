/** `model fetch`: downloads a public model into the cache folder. */
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { cacheFolder, catalogue, findInCatalogue } from "../fetch/catalogue.ts";
import { type FetchReport, fetchModel } from "../fetch/fetch-model.ts";
import { CommandError } from "../terminal/fail.ts";
import { parseAmount } from "../terminal/options.ts";
import { megabytes, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { addCommand, npmRun } from "./shared.ts";

/** Adds `fetch <model>`. The hidden options replace parts of the catalogue's entry, for tests and mirrors. */
export function addFetch(program: Command): void {
  const known = catalogue.map(
    ({ name, description, licence, bytes }) => `\n  ${name}  ${description}, ${licence}, ${megabytes(bytes)}`,
  );
  addCommand(program, "fetch", "download a public model, verified", "resnet34-v1-7")
    .description(
      "Download a public model into a cache folder and verify its size and SHA-256. An interrupted download resumes.",
    )
    .argument("<model>", "model to download, one of those below")
    .option("--to <folder>", "target folder (default: $XDG_CACHE_HOME/edge-resnet or ~/.cache/edge-resnet)")
    .addOption(
      new Option("--url <url>", "mirror to use instead; repeatable").argParser(collectUrl).hideHelp(),
    )
    .addOption(new Option("--sha256 <hex>", "expected SHA-256").argParser(parseSha256).hideHelp())
    .addOption(new Option("--bytes <count>", "expected size").argParser(parseAmount).hideHelp())
    .addHelpText("after", `\nModels:${known.join("")}`)
    .action(async (name, options) => {
      const entry = findInCatalogue(name);
      if (!entry) {
        const names = catalogue.map((model) => model.name).join(", ");
        throw new CommandError(`fetch knows no model ${name}; expected one of: ${names}`, {
          fix: "to pack your own file, run npm run model -- pack path/to/file.onnx",
        });
      }
      const { url: urls = entry.urls, sha256 = entry.sha256, bytes = entry.bytes } = options;
      const folder = options.to === undefined ? cacheFolder() : userPath(options.to);
      const report = await fetchModel({ ...entry, urls, sha256, bytes }, folder, createProgress());
      printResult(options, report, () => describe(report, options.to === undefined ? name : report.file));
    });
}

function describe({ name, file, bytes, sha256, cached, moved_aside }: FetchReport, next: string): string {
  return [
    `${name}: ${megabytes(bytes)}, ${cached ? "already here" : "downloaded"}, SHA-256 ${sha256} verified`,
    ...(moved_aside === null ? [] : [`a different file with that name was moved to ${moved_aside}`]),
    file,
    `next: ${npmRun("model", "pack", next)}`,
  ].join("\n");
}

function collectUrl(value: string, previous: readonly string[] | undefined): string[] {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return [...(previous ?? []), value];
  throw new InvalidArgumentError("expected an http or https URL");
}

function parseSha256(value: string): string {
  if (/^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase();
  throw new InvalidArgumentError("expected 64 hex digits");
}
