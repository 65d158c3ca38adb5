/** Checks what needs no running: links, scripts, flags and files. Each fault is one line. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { offlineEnv } from "../../cli/store/local-bucket.ts";
import { type Invocation, invocationsOf } from "./command.ts";
import type { CommandBlock, Page } from "./pages.ts";

/** The reasons for which a block may not run, as `<!-- command: ... -->` gives them. */
export const reasons: ReadonlySet<string> = new Set([
  "needs an account",
  "needs the network",
  "needs files of yours",
  "takes many minutes",
  "is a step of CI",
]);

/** Checks that links and pictures lead to a file and a heading, and that package.json has every script. */
export async function checkPages(folder: string, pages: readonly Page[]): Promise<string[]> {
  const manifest = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  return pages.flatMap((page) => [
    ...page.links.flatMap((link) => linkFault(folder, pages, page, link) ?? []),
    ...page.scripts
      .filter((script) => !(script in manifest.scripts))
      .map((script) => `${page.file}: package.json has no script ${script}`),
  ]);
}

function linkFault(folder: string, pages: readonly Page[], page: Page, link: string): string | undefined {
  if (/^[a-z]+:/i.test(link)) return undefined;
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? page.file : path.posix.join(path.posix.dirname(page.file), target);
  if (!existsSync(path.join(folder, file))) return `${page.file}: ${link} leads nowhere`;
  const anchors = pages.find((other) => other.file === file)?.anchors;
  if (anchor === undefined || anchors?.has(anchor)) return undefined;
  return `${page.file}: ${link}: ${file} has no such heading`;
}

/** Checks that every command is known, that its help lists its flags, and that the files it names exist. */
export async function checkCommands(folder: string, blocks: readonly CommandBlock[]): Promise<string[]> {
  const helps = new Map<string, Promise<string>>();
  const helpOf = (command: readonly string[]) => {
    const key = command.join(" ");
    const running = helps.get(key) ?? help(folder, command);
    helps.set(key, running);
    return running;
  };
  const faults: string[] = [];
  for (const { page, commands, reason } of blocks) {
    if (reason !== undefined && !reasons.has(reason)) {
      const expected = [...reasons].join(", ");
      faults.push(`${page}: "command: ${reason}" is no known reason; expected one of: ${expected}`);
    }
    for (const line of commands) {
      for (const fault of await commandFaults(folder, line, helpOf)) faults.push(`${page}: ${fault}`);
    }
  }
  return faults;
}

async function commandFaults(
  folder: string,
  line: string,
  helpOf: (command: readonly string[]) => Promise<string>,
): Promise<string[]> {
  let invocations: Invocation[];
  try {
    invocations = invocationsOf(line);
  } catch (error) {
    return [(error as Error).message];
  }
  const faults: string[] = [];
  for (const { name, words, flags, help: command } of invocations) {
    faults.push(...missingFiles(folder, words).map((file) => `${line}: there is no ${file}`));
    if (flags.length === 0 || command === undefined) continue;
    const text = await helpOf(command);
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

function help(folder: string, [program = "", ...args]: readonly string[]): Promise<string> {
  const env = { ...process.env, ...offlineEnv, NO_COLOR: "1" };
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd: folder, env, timeout: 60_000 }, (error, stdout, stderr) => {
      const text = stripVTControlCharacters(`${stdout}\n${stderr}`);
      if (error && !/usage/i.test(text))
        reject(new Error(`${program} ${args.join(" ")}: ${text || error.message}`));
      else resolve(text);
    });
  });
}
