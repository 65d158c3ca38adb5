/** `npm run head -- <command>`: trains your own classes on the features of the served model. */
import { headProgram } from "./commands/programs.ts";
import { runAndExit } from "./terminal/fail.ts";

await runAndExit(async () => {
  await headProgram().parseAsync();
});
