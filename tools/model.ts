/** `npm run model -- <command>`: from a public model to weights that serve. */
import { Command } from "commander";
import { addFetch } from "./commands/fetch.ts";
import { addInfo } from "./commands/info.ts";
import { addList } from "./commands/list.ts";
import { addPack } from "./commands/pack.ts";
import { addPrune } from "./commands/prune.ts";
import { addPush } from "./commands/push.ts";
import { addRollback } from "./commands/rollback.ts";
import { addVerify } from "./commands/verify.ts";
import { runCommand } from "./terminal/fail.ts";

const commands = [addFetch, addPack, addVerify, addInfo, addPush, addList, addRollback, addPrune];

await runCommand(async () => {
  const program = new Command("npm run model --")
    .description("From a public model to weights that serve.")
    .addHelpText("after", "\nHelp for one command:\n  npm run model -- push --help");
  for (const add of commands) add(program);
  await program.parseAsync();
});

// A connection that does not close must not keep a finished command from ending.
setTimeout(() => process.exit(), 2_000).unref();
