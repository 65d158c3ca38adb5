/** What of the docs can be checked without running it: links, scripts, flags, files. Each fault is one line. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { offlineEnv } from "../store/local-bucket.ts";
import { type Invocation, invocationsOf } from "./command.ts";
import type { CommandBlock, Page } from "./pages.ts";

/** Why a block is not run; what stands in `<!-- command: ... -->`. */
export const reasons: ReadonlySet<string> = new Set([
  "needs an account",
  "needs the network",
  "needs files of yours",
  "takes many minutes",
  "is a step of CI",
]);

/** Links to pages and headings of the project, pictures too; scripts that package.json does not have. */
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

/** Every command: known, its flags in the help of the very subcommand, the files that it names there. */
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
    const fault = (text: string) => faults.push(`${page}: ${text}`);
    if (reason !== undefined && !reasons.has(reason)) {
      fault(`"command: ${reason}" is no known reason; expected one of: ${[...reasons].join(", ")}`);
    }
    for (const line of commands) {
      let invocations: Invocation[];
      try {
        invocations = invocationsOf(line);
      } catch (error) {
        fault((error as Error).message);
        continue;
      }
      for (const invocation of invocations) {
        for (const file of missingFiles(folder, invocation)) fault(`${line}: there is no ${file}`);
        for (const flag of await unknownFlags(invocation, helpOf))
          fault(`${line}: ${invocation.name} has no ${flag}`);
      }
    }
  }
  return faults;
}

/** A word is one of the project's files when it begins with a folder of the project's. */
function missingFiles(folder: string, { words }: Invocation): string[] {
  const tops = readdirSync(folder);
  return words
    .flatMap((word) => word.replace(/^(\w+=)?@/, "").split("="))
    .filter((word) => word.includes("/") && tops.includes(word.split("/")[0] ?? ""))
    .filter((word) => !existsSync(path.join(folder, word)));
}

async function unknownFlags(
  { flags, help: command }: Invocation,
  helpOf: (command: readonly string[]) => Promise<string>,
): Promise<string[]> {
  if (flags.length === 0 || command === undefined) return [];
  const text = await helpOf(command);
  return flags.filter((flag) => !new RegExp(`(^|[\\s,[])${flag}(?![\\w-])`, "m").test(text));
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
