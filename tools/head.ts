/** `npm run head -- <command>`: one's own classes on the features of the model that is served. */
import { Command } from "commander";
import { addHeadEvaluate } from "./commands/head-evaluate.ts";
import { addHeadInfo } from "./commands/head-info.ts";
import { addHeadList } from "./commands/head-list.ts";
import { addHeadPush } from "./commands/head-push.ts";
import { addHeadRollback } from "./commands/head-rollback.ts";
import { addHeadTrain } from "./commands/head-train.ts";
import { runCommand } from "./terminal/fail.ts";

const commands = [addHeadTrain, addHeadEvaluate, addHeadInfo, addHeadPush, addHeadList, addHeadRollback];

await runCommand(async () => {
  const program = new Command("npm run head --")
    .description("Your own classes on the features of the model that is served.")
    .addHelpText("after", "\nHelp for one command:\n  npm run head -- push --help");
  for (const add of commands) add(program);
  await program.parseAsync();
});

// A connection that does not close must not keep a finished command from ending.
setTimeout(() => process.exit(), 2_000).unref();
