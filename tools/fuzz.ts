/** `npm run fuzz`: hostile JPEGs through the decode path in Node, or through the built Worker in workerd. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Command } from "commander";
import { attemptEveryWay } from "./fuzz/attempt.ts";
import { keepFindings } from "./fuzz/keep.ts";
import { fuzzInNode } from "./fuzz/node/run.ts";
import { fuzzPreprocessing } from "./fuzz/preprocessing.ts";
import { report, type Tally } from "./fuzz/tally.ts";
import { fuzzInWorkerd } from "./fuzz/workerd/run.ts";
import { CommandError, runCommand } from "./terminal/fail.ts";
import { parseCount } from "./terminal/options.ts";
import { table } from "./terminal/output.ts";
import { userPath } from "./terminal/paths.ts";
import { createProgress } from "./terminal/progress.ts";
import { buildOurs } from "./workerd/bundle.ts";

interface Options {
  count: number;
  seed: number;
  workerd?: boolean;
  goodEvery: number;
  hangSeconds: number;
  keep: string;
  replay?: string;
}

// By default a signal ends the process without its exit handlers, which stop the Worker.
process.once("SIGTERM", () => process.exit(143));

await runCommand(async () => {
  const options = new Command("npm run fuzz --")
    .description("Send hostile JPEGs, made from a seed: every one must be decoded or refused, never more.")
    .option("--count <files>", "files to make", parseCount, 2000)
    .option("--seed <number>", "the same seed makes the same files", parseCount, 1)
    .option("--workerd", "through the built Worker over HTTP, instead of the decoder in this process")
    .option("--good-every <files>", "with --workerd: a sound image after so many", parseCount, 10)
    .option("--hang-seconds <seconds>", "time after which a file counts as a hang", parseCount, 60)
    .option("--keep <folder>", "where files that fail are kept", "fuzz-findings")
    .option("--replay <file>", "decode this file at every scale, and tell what becomes of it")
    .parse()
    .opts<Options>();
  if (options.replay !== undefined) return replay(options.replay);
  const startedMs = performance.now();
  const tally = await fuzz(options);
  console.log(report(tally));
  console.log(`seed ${options.seed}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  const kept = await keepFindings(userPath(options.keep), options.seed, tally.faults);
  if (kept.length > 0)
    throw new CommandError(`files that failed are kept; look at one with --replay ${kept[0]}`);
});

async function fuzz({ count, seed, workerd, goodEvery, hangSeconds }: Options): Promise<Tally> {
  const progress = createProgress();
  const hangMs = hangSeconds * 1000;
  const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-fuzz-bundle-"));
  try {
    if (!workerd) return await fuzzInNode({ count, seed, hangMs }, progress);
    progress.update("building the Worker", 0, 1);
    const bundle = await buildOurs(folder);
    return await fuzzInWorkerd({ count, seed, hangMs, goodEvery, bundle }, progress);
  } finally {
    progress.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function replay(typed: string): Promise<void> {
  const bytes = new Uint8Array(
    await readFile(userPath(typed)).catch(() => {
      throw new CommandError(`${typed} cannot be read; expected the path of a file`);
    }),
  );
  const attempts = attemptEveryWay(bytes, fuzzPreprocessing);
  const rows = attempts.map(({ way, outcome, ms, scale, detail, fault }) => [
    way,
    outcome,
    ms.toFixed(0),
    fault ?? detail ?? (scale === undefined ? "" : `scale ${scale}`),
  ]);
  console.log(table([["way", "outcome", "ms", "detail"], ...rows], [2]));
}
