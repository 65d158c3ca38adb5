/** `npm run soak`: minutes of mixed traffic to the built Worker, then attacks and an overload. */
import path from "node:path";
import { Command } from "@commander-js/extra-typings";
import { latestRun, saveRun } from "../../bench/common/run-files.ts";
import { runCommand } from "../../cli/terminal/fail.ts";
import { parseCount, parseMinutes } from "../../cli/terminal/options.ts";
import { showProgress } from "./progress.ts";
import { soakReport, writeSoakDocs } from "./report.ts";
import { runSoak, type SoakResults, soakRuns } from "./run.ts";
import { delays, faults } from "./verdict.ts";

const program = new Command("npm run soak --")
  .description(
    "Sustained traffic, attacks and an overload against the Worker in workerd; results go to soak-results/.",
  )
  .option(
    "--minutes <count>",
    "of sustained traffic; the overload lasts half of that, an attack a sixth",
    parseMinutes,
    10,
  )
  .option("--quick", "one minute")
  .option("--concurrency <count>", "clients that each wait for their answer", parseCount, 8)
  .option("--seed <number>", "decides what is sent when", parseCount, 1)
  .option("--report", "print the report of the last run, without measuring")
  .option("--write-docs", "write docs/soak.md and its plots from the last run, without measuring");

// A signal alone would end the process without the exit handlers, which stop the Worker.
process.once("SIGTERM", () => process.exit(143));

await runCommand(async () => {
  const { quick, concurrency, seed, report, writeDocs, ...options } = program.parse().opts();
  if (writeDocs) return console.log((await writeSoakDocs(await latestRun<SoakResults>(soakRuns))).join("\n"));
  if (report) return console.log(soakReport(await latestRun<SoakResults>(soakRuns)));

  const stop = new AbortController();
  process.on("SIGINT", () => {
    // The first Ctrl-C ends the soak early and prints the report. The second ends the process.
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
  const { stop: hideProgress, ...shown } = showProgress();
  const minutes = quick ? 1 : options.minutes;
  const run = runSoak({ minutes, concurrency, seed, signal: stop.signal, ...shown });
  const results = await run.finally(hideProgress);
  console.log(soakReport(results));
  // An interrupted soak must not end up in the documents.
  if (!results.interrupted) console.log(`\nresults: ${path.relative(".", await saveRun(soakRuns, results))}`);
  if (faults(results).length + delays(results).length > 0) process.exitCode = 1;
  else if (results.interrupted) process.exitCode = 130;
});
