/** The frame of a program with several commands. */
import { Command } from "@commander-js/extra-typings";
import { runAndExit } from "../terminal/fail.ts";
import { jsonOption } from "../terminal/output.ts";

/** Runs the program `npm run <script> --` with these commands, and sets the exit code. */
export function runProgram(
  script: string,
  description: string,
  commands: readonly ((program: Command) => void)[],
): Promise<void> {
  return runAndExit(async () => {
    const program = new Command(`npm run ${script} --`)
      .description(description)
      .configureHelp({ sortOptions: true })
      .addHelpText("after", `\nHelp for one command:\n  npm run ${script} -- push --help`);
    for (const add of commands) add(program);
    await program.parseAsync();
  });
}

/** Adds a command with a summary, the --json option, and an example in its help for each of `calls`, its arguments. */
export function addCommand(program: Command, name: string, summary: string, ...calls: readonly string[]) {
  return program
    .command(name)
    .summary(summary)
    .option(...jsonOption)
    .addHelpText("after", examples(...calls.map((call) => `${program.name()} ${name} ${call}`)));
}

/** Returns text for `addHelpText("after", ...)` that shows how to call a command. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length > 1 ? "Examples" : "Example"}:\n  ${lines.join("\n  ")}`;
}
