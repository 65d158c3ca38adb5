/** `npm run fuzz`: decodes hostile images in Node, or sends them to the built Worker in workerd. */
import { readFile } from "node:fs/promises";
import { Command, Option } from "@commander-js/extra-typings";
import { table, tableText } from "../../bench/common/report.ts";
import { CommandError, runCommand } from "../../cli/terminal/fail.ts";
import { parseCount } from "../../cli/terminal/options.ts";
import { userPath } from "../../cli/terminal/paths.ts";
import { createProgress } from "../../cli/terminal/progress.ts";
import { attemptEveryWay, fuzzPreprocessing } from "./attempt.ts";
import { fuzzInNode } from "./node.ts";
import { keepFindings, report } from "./run.ts";
import { formats } from "./seeds.ts";
import { fuzzInWorkerd } from "./workerd.ts";

const program = new Command("npm run fuzz --")
  .description(
    "Make hostile JPEGs, PNGs, WebPs and GIFs from a seed. Each must be decoded or refused; anything else is a fault.",
  )
  .option("--count <files>", "files to make", parseCount, 2000)
  .option("--seed <number>", "the same seed makes the same files", parseCount, 1)
  .addOption(new Option("--formats <formats...>", "make files of these formats only").choices(formats))
  .option("--workerd", "use the built Worker over HTTP instead of the decoder in this process")
  .option("--good-every <files>", "with --workerd: send a valid image after this many", parseCount, 10)
  .option("--hang-seconds <seconds>", "time after which a file counts as a hang", parseCount, 60)
  .option("--keep <folder>", "where to keep files that fail", "fuzz-findings")
  .option("--replay <file>", "decode this file in every way, and show the results");

// A signal alone would end the process without the exit handlers, which stop the Worker.
process.once("SIGTERM", () => process.exit(143));

await runCommand(async () => {
  const options = program.parse().opts();
  if (options.replay !== undefined) return replay(options.replay);
  const startedMs = performance.now();
  const progress = createProgress();
  if (options.workerd) progress.update("building the Worker", 0, 1);
  const run = { ...options, formats: options.formats ?? formats, hangMs: options.hangSeconds * 1000 };
  const running = options.workerd ? fuzzInWorkerd(run, progress) : fuzzInNode(run, progress);
  const tally = await running.finally(() => progress.stop());
  console.log(report(tally));
  console.log(`seed ${options.seed}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  const [kept] = await keepFindings(userPath(options.keep), run, tally.faults);
  if (kept) throw new CommandError("files failed", { fix: `look at one: npm run fuzz -- --replay ${kept}` });
});

async function replay(typed: string): Promise<void> {
  const bytes = await readFile(userPath(typed)).catch((cause: unknown) => {
    throw new CommandError(`${typed} cannot be read`, { fix: "give the path of a file", cause });
  });
  const attempts = await attemptEveryWay(new Uint8Array(bytes), fuzzPreprocessing);
  const rows = attempts.map((attempt) => {
    const { way, outcome, ms, scale, detail, fault } = attempt;
    return [way, outcome, ms.toFixed(0), fault ?? detail ?? (scale === undefined ? "" : `scale ${scale}`)];
  });
  console.log(tableText(table(typed, ["way", "outcome", "ms", "detail"], rows)));
}
