/** `npm run fuzz`: runs hostile JPEGs through the decode path in Node, or through the built Worker in workerd. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Command } from "@commander-js/extra-typings";
import { CommandError, runCommand } from "../../cli/terminal/fail.ts";
import { parseCount } from "../../cli/terminal/options.ts";
import { table } from "../../cli/terminal/output.ts";
import { userPath } from "../../cli/terminal/paths.ts";
import { createProgress } from "../../cli/terminal/progress.ts";
import { buildOurs } from "../../cli/workerd/bundle.ts";
import { attemptEveryWay } from "./attempt.ts";
import { keepFindings } from "./keep.ts";
import { fuzzInNode } from "./node/run.ts";
import { fuzzPreprocessing } from "./preprocessing.ts";
import { report, type Tally } from "./tally.ts";
import { fuzzInWorkerd } from "./workerd/run.ts";

// By default a signal ends the process without its exit handlers, which stop the Worker.
process.once("SIGTERM", () => process.exit(143));

const program = new Command("npm run fuzz --")
  .description("Make hostile JPEGs from a seed. Each must be decoded or refused; anything else is a fault.")
  .option("--count <files>", "files to make", parseCount, 2000)
  .option("--seed <number>", "the same seed makes the same files", parseCount, 1)
  .option("--workerd", "use the built Worker over HTTP instead of the decoder in this process")
  .option("--good-every <files>", "with --workerd: send a valid image after this many", parseCount, 10)
  .option("--hang-seconds <seconds>", "time after which a file counts as a hang", parseCount, 60)
  .option("--keep <folder>", "where to keep files that fail", "fuzz-findings")
  .option("--replay <file>", "decode this file at every scale, and show the results");

await runCommand(async () => {
  const options = program.parse().opts();
  if (options.replay !== undefined) return replay(options.replay);
  const startedMs = performance.now();
  const tally = await fuzz(options);
  console.log(report(tally));
  console.log(`seed ${options.seed}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  const kept = await keepFindings(userPath(options.keep), options.seed, tally.faults);
  if (kept.length > 0)
    throw new CommandError(`files that failed are kept; look at one with --replay ${kept[0]}`);
});

async function fuzz(options: ReturnType<typeof program.opts>): Promise<Tally> {
  const progress = createProgress();
  const run = { ...options, hangMs: options.hangSeconds * 1000 };
  const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-fuzz-bundle-"));
  try {
    if (!options.workerd) return await fuzzInNode(run, progress);
    progress.update("building the Worker", 0, 1);
    return await fuzzInWorkerd({ ...run, bundle: await buildOurs(folder) }, progress);
  } finally {
    progress.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function replay(typed: string): Promise<void> {
  const bytes = await readFile(userPath(typed)).catch((cause: unknown) => {
    throw new CommandError(`${typed} cannot be read; expected the path of a file`, { cause });
  });
  const rows = attemptEveryWay(new Uint8Array(bytes), fuzzPreprocessing).map((attempt) => {
    const { way, outcome, ms, scale, detail, fault } = attempt;
    return [way, outcome, ms.toFixed(0), fault ?? detail ?? (scale === undefined ? "" : `scale ${scale}`)];
  });
  console.log(table([["way", "outcome", "ms", "detail"], ...rows], [2]));
}
