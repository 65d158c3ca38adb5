/** `model fetch`: downloads a public model into the cache folder. */
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { cacheFolder } from "../fetch/cache-folder.ts";
import { catalogue, findInCatalogue } from "../fetch/catalogue.ts";
import { type FetchReport, fetchModel } from "../fetch/fetch-model.ts";
import { CommandError } from "../terminal/fail.ts";
import { jsonOption, megabytes, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";
import { examples } from "./shared.ts";

/** Adds `fetch <model>`. The hidden options replace parts of the catalogue's entry, for tests and mirrors. */
export function addFetch(program: Command): void {
  const known = catalogue.map(
    ({ name, description, licence, bytes }) => `\n  ${name}  ${description}, ${licence}, ${megabytes(bytes)}`,
  );
  program
    .command("fetch")
    .summary("download a public model, verified")
    .description(
      "Download a public model into a cache folder and verify its size and SHA-256. An interrupted download resumes.",
    )
    .argument("<model>", "model to download, one of those below")
    .option("--to <folder>", "target folder (default: $XDG_CACHE_HOME/edge-resnet or ~/.cache/edge-resnet)")
    .option(...jsonOption)
    .addOption(
      new Option("--url <url>", "mirror to use instead; repeatable").argParser(collectUrl).hideHelp(),
    )
    .addOption(new Option("--sha256 <hex>", "expected SHA-256").argParser(parseSha256).hideHelp())
    .addOption(new Option("--bytes <count>", "expected size").argParser(parseBytes).hideHelp())
    .addHelpText("after", `\nModels:${known.join("")}\n${examples("npm run model -- fetch resnet34-v1-7")}`)
    .action(async (name, options) => {
      const entry = findInCatalogue(name);
      if (!entry) {
        const names = catalogue.map((model) => model.name).join(", ");
        throw new CommandError(
          `fetch knows no model ${name}; expected one of: ${names}; to pack your own file, run npm run model -- pack path/to/file.onnx`,
        );
      }
      const { url: urls = entry.urls, sha256 = entry.sha256, bytes = entry.bytes } = options;
      const wanted = { ...entry, urls, sha256, bytes };
      const folder = options.to === undefined ? cacheFolder() : userPath(options.to);
      const report = await fetchModel(wanted, folder, createProgress());
      printResult(options, report, () => describe(report, options.to === undefined ? name : report.file));
    });
}

function describe({ name, file, bytes, sha256, cached, moved_aside }: FetchReport, next: string): string {
  return [
    `${name}: ${megabytes(bytes)}, ${cached ? "already here" : "downloaded"}, SHA-256 ${sha256} verified`,
    ...(moved_aside === null ? [] : [`a different file with that name was moved to ${moved_aside}`]),
    file,
    `next: npm run model -- pack ${next}`,
  ].join("\n");
}

function collectUrl(value: string, previous: readonly string[] | undefined): string[] {
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
    throw new InvalidArgumentError("expected an http or https URL");
  }
  return [...(previous ?? []), value];
}

function parseSha256(value: string): string {
  if (/^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase();
  throw new InvalidArgumentError("expected 64 hex digits");
}

function parseBytes(value: string): number {
  if (/^[1-9]\d{0,11}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("expected a number of bytes");
}
