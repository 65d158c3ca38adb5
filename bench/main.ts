/** `npm run bench`: compares this project with its alternatives, and estimates what it costs. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { unitCostsFromDocument } from "../cli/cost/prices.ts";
import { CommandError, runCommand } from "../cli/terminal/fail.ts";
import { parseAmount, parseCount, parseMs, parseShare } from "../cli/terminal/options.ts";
import { userPath } from "../cli/terminal/paths.ts";
import { createProgress } from "../cli/terminal/progress.ts";
import { measureBucketAlone } from "./bucket/alone.ts";
import { defaults } from "./bucket/simulate.ts";
import { bucketCostTable, bucketTable, parameterTable, scaleTable } from "./bucket/tables.ts";
import { docsFolder, tableText } from "./common/report.ts";
import { findRun, latestRun, readRun, saveRun } from "./common/run-files.ts";
import { costTable, defaultWorkload, unitCosts } from "./cost.ts";
import { formatSizes, formatTable } from "./formats.ts";
import { pixelTable } from "./pixels.ts";
import { fullPlan, quickPlan } from "./plan.ts";
import { terminalReport, writeDocs } from "./report/documents.ts";
import { benchRuns } from "./results.ts";
import { type Results, runBench } from "./run.ts";

const { imagesPerDay, hitRate, coldRate } = defaultWorkload;
const program = new Command("npm run bench --")
  .description("Measure everything side by side; raw rounds go to bench-results/.")
  .option("--quick", "fewer rounds, sizes and repeats: about three minutes instead of fifteen")
  .option("--report", "print the report of the last run, without measuring")
  .option("--write-docs", "write docs/performance.md, docs/scaling.md and docs/plots from the last full run")
  .option("--cost", "estimate the cost of a month from the last run and Cloudflare's prices")
  .option("--pixels", "compare the pixels of two JPEG decoders with libjpeg-turbo's; measures no time")
  .addOption(
    new Option(
      "--formats [megapixels...]",
      "compare the decoding of PNG and WebP with other decoders, at all sizes or these: less than eight minutes",
    ).choices(formatSizes.map(String)),
  )
  .option("--bucket", "simulate labelling a bucket, and print what it takes and costs")
  .option("--measure", "with --bucket: also measure the local queue: three minutes")
  .option(
    "--pictures <count>",
    "with --bucket: pictures (default: a million, and a hundred million)",
    parseAmount,
  )
  .option("--consumers <count>", "with --bucket: consumers at once", parseCount, defaults.maxConsumers)
  .option("--d1-write-ms <ms>", "with --bucket: time of a write in the database", parseMs, defaults.d1WriteMs)
  .option("--results <file>", "the run to report, instead of the last one")
  .option("--images-per-day <count>", "with --cost", parseAmount, imagesPerDay)
  .option("--hit-rate <share>", "with --cost: share of requests that the cache answers", parseShare, hitRate)
  .option(
    "--cold-rate <share>",
    "with --cost: share of requests that meet a fresh isolate",
    parseShare,
    coldRate,
  );

// A signal alone would end the process without the exit handlers, which stop the Workers.
process.once("SIGTERM", () => process.exit(143));

await runCommand(async () => {
  const options = program.parse().opts();
  const chosen = options.results && readRun<Results>(benchRuns, userPath(options.results));
  if (options.cost) {
    const results = await (chosen || findRun<Results>(benchRuns));
    const document = await readFile(path.join(docsFolder, "scaling.md"), "utf8").catch(() => "");
    const costs = (results && unitCosts(results)) ?? unitCostsFromDocument(document);
    if (costs) return console.log(tableText(costTable(options, costs)));
    throw new CommandError("no CPU was measured yet", { fix: "measure on Linux first: npm run bench" });
  }
  if (options.bucket) {
    const { consumers: maxConsumers, d1WriteMs, pictures } = options;
    const counts = pictures === undefined ? [1e6, 1e8] : [pictures];
    const parameters = { ...defaults, maxConsumers, d1WriteMs };
    const results = options.measure && (await measureBucketAlone());
    const measured = results ? [bucketTable(results), parameterTable(results.parameters)] : [];
    const scale = [parameterTable(parameters), scaleTable(counts, parameters)];
    const cost = bucketCostTable(counts[0]!, parameters.cpuMs);
    return console.log([...measured, ...scale, cost].map(tableText).join("\n\n"));
  }
  if (options.pixels) return console.log(tableText(await pixelTable()));
  if (options.formats) {
    const sizes = Array.isArray(options.formats) ? options.formats.map(Number) : formatSizes;
    return console.log(tableText(await formatTable(sizes, createProgress())));
  }
  if (options.report || options.writeDocs) {
    const results = await (chosen || latestRun<Results>(benchRuns));
    if (options.report) console.log(terminalReport(results));
    if (options.writeDocs) console.log((await writeDocs(results)).join("\n"));
    return;
  }
  const progress = createProgress();
  const results = await runBench(options.quick ? quickPlan : fullPlan, (stage, done, total) =>
    progress.update(stage, done, total),
  );
  progress.stop();
  const file = await saveRun(benchRuns, results);
  console.log(`${terminalReport(results)}\n\nraw rounds: ${path.relative(".", file)}`);
});
