/** The frame of a program with several commands. */
import { Command } from "@commander-js/extra-typings";
import { quote } from "shell-quote";
import { jsonOption } from "../terminal/output.ts";

/** Makes the program `npm run <script> --` with these commands. */
export function makeProgram(
  script: string,
  description: string,
  commands: readonly ((program: Command) => void)[],
): Command {
  const program = new Command(`npm run ${script} --`)
    .description(description)
    .configureHelp({ sortOptions: true });
  for (const add of commands) add(program);
  const [first] = program.commands;
  return program.addHelpText(
    "after",
    `\nHelp for one command:\n  npm run ${script} -- ${first?.name()} --help`,
  );
}

/** Adds a command with a summary, the --json option, and an example in its help for each of `calls`, its arguments. */
export function addCommand(program: Command, name: string, summary: string, ...calls: readonly string[]) {
  return program
    .command(name)
    .summary(summary)
    .option(...jsonOption)
    .addHelpText("after", examples(...calls.map((call) => `${program.name()} ${name} ${call}`)));
}

/** Returns a command for the user to copy. Arguments are quoted where a shell needs it. */
export function npmRun(script: string, ...args: readonly string[]): string {
  return `npm ${script === "start" ? script : `run ${script}`} -- ${quote([...args])}`;
}

/** Returns text for `addHelpText("after", ...)` that shows how to call a command. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length > 1 ? "Examples" : "Example"}:\n  ${lines.join("\n  ")}`;
}
