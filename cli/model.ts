/** `npm run model -- <command>`: turns a public model into weights that the Worker serves. */
import { modelProgram } from "./commands/programs.ts";
import { runAndExit } from "./terminal/fail.ts";

await runAndExit(async () => {
  await modelProgram().parseAsync();
});
