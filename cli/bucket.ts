/** `npm run bucket -- <command>`: labels the pictures of a bucket. */
import { bucketProgram } from "./commands/programs.ts";
import { runAndExit } from "./terminal/fail.ts";

await runAndExit(async () => {
  await bucketProgram().parseAsync();
});
