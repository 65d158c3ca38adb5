/** `npm run soak`: minutes of mixed traffic against the built Worker, then attacks and an overload; counts, latencies, memory. */
import path from "node:path";
import { Command } from "commander";
import { runCommand } from "../../cli/terminal/fail.ts";
import { parseCount, parseMinutes } from "../../cli/terminal/options.ts";
import { showSoak } from "./progress.ts";
import { soakReport } from "./report/terminal.ts";
import { writeSoakDocs } from "./report/write-docs.ts";
import { runSoak } from "./run.ts";
import { latestSoak, saveSoak } from "./store.ts";
import { delays, faults } from "./verdict.ts";

interface Options {
  minutes: number;
  concurrency: number;
  seed: number;
  quick?: boolean;
  report?: boolean;
  writeDocs?: boolean;
}

// By default a signal ends the process without its exit handlers, which stop the Worker.
process.once("SIGTERM", () => process.exit(143));

await runCommand(async () => {
  const options = new Command("npm run soak --")
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
    .option("--seed <number>", "what is sent when", parseCount, 1)
    .option("--report", "print the last run again; measures nothing")
    .option("--write-docs", "write docs/soak.md and its plots from the last run; measures nothing")
    .parse()
    .opts<Options>();
  if (options.writeDocs) return console.log((await writeSoakDocs(await latestSoak())).join("\n"));
  if (options.report) return console.log(soakReport(await latestSoak()));

  const stop = new AbortController();
  process.on("SIGINT", () => {
    // Once: end early and print what there is. Twice: now.
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
  const { stop: hide, ...shown } = showSoak();
  const { concurrency, seed } = options;
  const minutes = options.quick ? 1 : options.minutes;
  const results = await runSoak({ minutes, concurrency, seed, signal: stop.signal, ...shown }).finally(hide);
  console.log(soakReport(results));
  // Half a soak is not to end up in the documents.
  if (!results.interrupted) console.log(`\nresults: ${path.relative(".", await saveSoak(results))}`);
  if (faults(results).length + delays(results).length > 0) process.exitCode = 1;
  else if (results.interrupted) process.exitCode = 130;
});
