/** Checks what needs no running: links, scripts, flags and files. Each fault is one line. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { headProgram, modelProgram } from "../../cli/commands/programs.ts";
import { offlineEnv } from "../../cli/store/project.ts";
import { type Invocation, invocationsOf } from "./command.ts";
import type { CommandBlock, Page } from "./pages.ts";

/** The reasons for which a block may not run, as `<!-- command: ... -->` gives them. */
const reasons = [
  "needs an account",
  "needs the network",
  "needs files of yours",
  "takes many minutes",
  "is a step of CI",
];

/** Checks that links and pictures lead to a file and a heading, and that package.json has every script. */
export async function checkPages(folder: string, pages: readonly Page[]): Promise<string[]> {
  const manifest = await readFile(path.join(folder, "package.json"), "utf8");
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
  return pages.flatMap((page) => [
    ...page.links.flatMap((link) => linkFault(folder, pages, page, link) ?? []),
    ...page.scripts
      .filter((script) => !(script in scripts))
      .map((script) => `${page.file}: package.json has no script ${script}`),
  ]);
}

function linkFault(folder: string, pages: readonly Page[], page: Page, link: string): string | undefined {
  if (/^[a-z]+:/i.test(link)) return undefined;
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? page.file : path.posix.join(path.posix.dirname(page.file), target);
  if (!existsSync(path.join(folder, file))) return `${page.file}: ${link} does not exist`;
  const anchors = pages.find((other) => other.file === file)?.anchors;
  if (anchor === undefined || anchors?.has(anchor)) return undefined;
  return `${page.file}: ${link}: ${file} has no such heading`;
}

/** Checks that every command is known, that its help lists its flags, and that the files it names exist. */
export async function checkCommands(folder: string, blocks: readonly CommandBlock[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { page, commands, reason } of blocks) {
    if (reason !== undefined && !reasons.includes(reason)) {
      const expected = reasons.join(", ");
      faults.push(`${page}: "command: ${reason}" is not a known reason; expected one of: ${expected}`);
    }
    for (const line of commands) {
      for (const fault of await commandFaults(folder, line)) faults.push(`${page}: ${fault}`);
    }
  }
  return faults;
}

async function commandFaults(folder: string, line: string): Promise<string[]> {
  let invocations: Invocation[];
  try {
    invocations = invocationsOf(line);
  } catch (error) {
    return [(error as Error).message];
  }
  const faults: string[] = [];
  for (const { name, words, flags, help: command } of invocations) {
    faults.push(...missingFiles(folder, words).map((file) => `${line}: ${file} does not exist`));
    if (flags.length === 0 || command === undefined) continue;
    const text = await helpOf(folder, command);
    const unknown = flags.filter((flag) => !new RegExp(`(^|[\\s,[])${flag}(?![\\w-])`, "m").test(text));
    faults.push(...unknown.map((flag) => `${line}: ${name} has no ${flag}`));
  }
  return faults;
}

/** A word names a file of the project when it begins with one of the project's folders. */
function missingFiles(folder: string, words: readonly string[]): string[] {
  const tops = readdirSync(folder);
  return words
    .flatMap((word) => word.replace(/^(\w+=)?@/, "").split("="))
    .filter((word) => word.includes("/") && tops.includes(word.split("/")[0] ?? ""))
    .filter((word) => !existsSync(path.join(folder, word)));
}

const helps = new Map<string, Promise<string>>();

/** Runs each help command once. */
function helpOf(folder: string, command: readonly string[]): Promise<string> {
  const key = `${folder} ${command.join(" ")}`;
  const text = helps.get(key) ?? help(folder, command);
  helps.set(key, text);
  return text;
}

/** Programs whose help needs no process of its own, which would take most of a second for each subcommand. */
const programs = new Map([
  ["cli/model.ts", modelProgram],
  ["cli/head.ts", headProgram],
]);

/** Returns what a help command prints. Some exit with an error. @throws Error when the output is not a help text */
async function help(folder: string, command: readonly string[]): Promise<string> {
  const binaries = path.join(folder, "node_modules", ".bin");
  const PATH = [binaries, process.env.PATH].join(path.delimiter);
  const env = { ...process.env, ...offlineEnv, NO_COLOR: "1", PATH };
  const [program = "", ...args] = await withoutNpm(folder, command);
  const inProcess = programs.get(args[0] ?? "")?.();
  if (inProcess) {
    const subcommand = inProcess.commands.find((each) => each.name() === args[1]);
    return (subcommand ?? inProcess).helpInformation();
  }
  const run = promisify(execFile)(program, args, { cwd: folder, env, timeout: 60_000 });
  const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => {
    if (/usage/i.test(`${error.stdout}${error.stderr}`)) return error;
    throw error;
  });
  return stripVTControlCharacters(`${stdout}\n${stderr}`);
}

/** The program that a help command of npm or npx runs. npm itself would add half a second to each. */
async function withoutNpm(folder: string, command: readonly string[]): Promise<readonly string[]> {
  if (command[0] === "npx") return command.slice(1);
  const [script, args] = [command[3] ?? "", command.slice(5)];
  if (command[0] !== "npm") return command;
  const manifest = await readFile(path.join(folder, "package.json"), "utf8");
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
  const [program = "", ...fixed] = scripts[script]?.split(" ") ?? [];
  return program === "node" ? [program, ...fixed, ...args] : command;
}
