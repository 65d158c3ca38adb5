/** `fetch`: a public model into the cache folder. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { cacheFolder } from "../fetch/cache-folder.ts";
import { catalogue, findInCatalogue } from "../fetch/catalogue.ts";
import { type FetchReport, fetchModel } from "../fetch/fetch-model.ts";
import { CommandError } from "../terminal/fail.ts";
import { jsonOption, megabytes, type OutputOptions, printResult } from "../terminal/output.ts";
import { userPath } from "../terminal/paths.ts";
import { createProgress } from "../terminal/progress.ts";

interface FetchCommandOptions extends OutputOptions {
  readonly to?: string;
  readonly url?: readonly string[];
  readonly sha256?: string;
  readonly bytes?: number;
}

export function addFetch(program: Command): void {
  const known = catalogue
    .map(
      ({ name, description, licence, bytes }) => `  ${name}  ${description}, ${licence}, ${megabytes(bytes)}`,
    )
    .join("\n");
  program
    .command("fetch")
    .summary("download a public model, verified")
    .description(
      "Download a public model into a cache folder, verified by size and SHA-256. Goes on where it was cut off.",
    )
    .argument("<model>", "model to download, one of those below")
    .option(
      "--to <folder>",
      "folder to keep it in (default: $XDG_CACHE_HOME/edge-resnet or ~/.cache/edge-resnet)",
    )
    .option(...jsonOption)
    .addOption(
      new Option("--url <url>", "mirror to use instead; repeatable").argParser(collectUrl).hideHelp(),
    )
    .addOption(new Option("--sha256 <hex>", "expected SHA-256").argParser(parseSha256).hideHelp())
    .addOption(new Option("--bytes <count>", "expected size").argParser(parseBytes).hideHelp())
    .addHelpText("after", `\nModels:\n${known}\n\nExample:\n  npm run model -- fetch resnet34-v1-7`)
    .action(async (name: string, options: FetchCommandOptions) => {
      const entry = findInCatalogue(name);
      if (!entry) {
        const names = catalogue.map((model) => model.name).join(", ");
        throw new CommandError(
          `fetch knows no model ${name}; expected one of: ${names}; a file of your own needs no fetch: npm run model -- pack path/to/file.onnx`,
        );
      }
      const wanted = {
        ...entry,
        urls: options.url ?? entry.urls,
        sha256: options.sha256 ?? entry.sha256,
        bytes: options.bytes ?? entry.bytes,
      };
      const folder = options.to === undefined ? cacheFolder() : userPath(options.to);
      const report = await fetchModel(wanted, folder, createProgress());
      const next = options.to === undefined ? name : report.file;
      printResult(options, report, () => describe(report, next));
    });
}

function describe({ name, file, bytes, sha256, cached, moved_aside }: FetchReport, next: string): string {
  const aside = moved_aside === null ? [] : [`a wrong file of that name is now ${moved_aside}`];
  return [
    `${name}: ${megabytes(bytes)}, ${cached ? "already here" : "downloaded"}, SHA-256 ${sha256} verified`,
    ...aside,
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
  throw new InvalidArgumentError("expected a count of bytes");
}
