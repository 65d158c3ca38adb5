/** `npm run docs:check`: runs the documented commands that can run, and checks the others, links and answers. */
import path from "node:path";
import { styleText } from "node:util";
import { Command } from "@commander-js/extra-typings";
import { CommandError, runCommand } from "../../cli/terminal/fail.ts";
import { createProgress } from "../../cli/terminal/progress.ts";
import { checkCommands, checkPages } from "./check.ts";
import { readPages } from "./pages.ts";
import { type Outcome, runBlocks } from "./run.ts";

const project = path.join(import.meta.dirname, "..", "..");
const program = new Command("npm run docs:check --")
  .description(
    "Check README and docs: links, flags, and every command that can be run, run in a scratch copy.",
  )
  .option("--no-run", "check links and flags only");

await runCommand(async () => {
  const options = program.parse().opts();
  const pages = await readPages(project);
  const blocks = pages.flatMap((page) => page.blocks);
  const faults = [...(await checkPages(project, pages)), ...(await checkCommands(project, blocks))];
  for (const fault of faults) console.log(`${styleText("red", "fault")} ${fault}`);
  let outcomes: readonly Outcome[] = [];
  if (options.run) {
    const progress = createProgress();
    outcomes = await runBlocks(project, blocks, (command, done, total) =>
      progress.update(command.slice(0, 60), done, total),
    );
    progress.stop();
  }
  for (const { page, command, fault } of outcomes) {
    const mark = fault === undefined ? styleText("green", "ok   ") : styleText("red", "fault");
    console.log(`${mark} ${page}: ${command}`);
    if (fault !== undefined) console.log(fault.replaceAll(/^/gm, "      "));
  }
  const failed = outcomes.filter(({ fault }) => fault !== undefined);
  const unrun = blocks.filter(({ reason }) => reason !== undefined).flatMap(({ commands }) => commands);
  console.log(
    `${pages.length} pages: ${outcomes.length} commands run, ${failed.length} of them failed; ${unrun.length} checked by their flags; ${faults.length} other faults`,
  );
  if (faults.length + failed.length > 0) {
    throw new CommandError("the documentation has the faults above", {
      fix: "correct the pages or the program",
    });
  }
});
