/** Runs the documented commands in a scratch copy of the project, with `npm start` in the background on a free port. */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, symlink } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify, stripVTControlCharacters } from "node:util";
import { offlineEnv, withFolder } from "../../cli/store/project.ts";
import { freePort, localHost } from "../../cli/terminal/port.ts";
import type { CommandBlock } from "./pages.ts";

const commandTimeoutMs = 180_000;
const startTimeoutMs = 120_000;
/** The address of `npm start` in the documentation. */
const documentedServer = "localhost:8787";

/** What one command did. */
export interface Outcome {
  readonly page: string;
  readonly command: string;
  /** Undefined when it did what the page says. */
  readonly fault: string | undefined;
}

/** Runs the commands of every block without a reason, in order. */
export function runBlocks(
  project: string,
  blocks: readonly CommandBlock[],
  onCommand: (command: string, done: number, total: number) => void = () => {},
): Promise<Outcome[]> {
  return withFolder(async (folder) => {
    await copyProject(project, folder);
    const runnable = blocks.filter(({ reason }) => reason === undefined);
    const total = runnable.reduce((sum, { commands }) => sum + commands.length, 0);
    const port = await freePort();
    let stopServer: (() => Promise<void>) | undefined;
    const outcomes: Outcome[] = [];
    try {
      for (const { page, commands, answer } of runnable) {
        for (const [i, command] of commands.entries()) {
          onCommand(command, outcomes.length, total);
          const line = withoutInstall(command);
          if (needsServer(line)) stopServer ??= await startServer(folder, port);
          const shown = i === commands.length - 1 ? answer : undefined;
          const isDone = line === "" || isServer(line);
          const fault = isDone ? undefined : await faultOf(withPorts(line, port), folder, shown);
          outcomes.push({ page, command, fault });
        }
      }
      onCommand("done", outcomes.length, total);
      return outcomes;
    } finally {
      await stopServer?.();
    }
  });
}

/** Copies the files that git knows, and links node_modules, so that commands do not change the user's own files. */
async function copyProject(project: string, folder: string): Promise<void> {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const { stdout } = await promisify(execFile)("git", list, { cwd: project, maxBuffer: 2 ** 26 });
  for (const file of stdout.split("\0").filter((name) => name && name !== "node_modules")) {
    // git also lists a file that was deleted but not committed.
    await cp(path.join(project, file), path.join(folder, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
  await symlink(path.join(project, "node_modules"), path.join(folder, "node_modules"));
}

/** The scratch copy has the project's node_modules: nothing is installed. */
const withoutInstall = (command: string) => command.replace(/^npm ci\s*(&&\s*|$)/, "");
const isServer = (command: string) => /^npm start\b/.test(command);
const needsServer = (command: string) => isServer(command) || command.includes(documentedServer);
const withPorts = (command: string, port: number) =>
  command
    .replaceAll(documentedServer, `${localHost}:${port}`)
    // Another program may hold the documented port of this machine.
    .replace(/^npm run doctor$/, `npm run doctor -- --port ${port}`);

/** Runs a command line. Returns why it did not do what the page says, or undefined. */
async function faultOf(line: string, folder: string, answer: string | undefined) {
  const { child, output } = start(folder, "sh", ["-c", line], commandTimeoutMs);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) return `exit code ${code}\n${output.all.slice(-4000)}`;
  return answer === undefined ? undefined : answerFault(answer, output.stdout);
}

/** Starts the server, and returns the function that stops it. */
async function startServer(folder: string, port: number): Promise<() => Promise<void>> {
  const { child, output } = start(folder, process.execPath, ["cli/start.ts", "--port", String(port)]);
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  const deadline = Date.now() + startTimeoutMs;
  while (!/^ready /m.test(output.all)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`npm start is not ready:\n${output.all}`);
    }
    await sleep(100);
  }
  return stop;
}

/** Starts a program as a user who is not logged in to Cloudflare, without questions from wrangler. */
function start(folder: string, program: string, args: readonly string[], timeout = 0) {
  const { INIT_CWD: _, ...inherited } = process.env;
  const search = `${path.join(folder, "node_modules", ".bin")}${path.delimiter}${process.env.PATH}`;
  const env = { ...inherited, ...offlineEnv, NO_COLOR: "1", CI: "1", PATH: search };
  const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], timeout });
  const output = { stdout: "", all: "" };
  child.stdout.on("data", (data: Buffer) => {
    output.stdout += data;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output.all += stripVTControlCharacters(String(data));
    });
  }
  return { child, output };
}

/**
 * Compares the output that a page shows with the real one: both must have the same keys and types. Describes the difference,
 * or returns undefined when there is none.
 * @param stdout may have other lines before the JSON
 */
export function answerFault(documented: string, stdout: string): string | undefined {
  const expected: unknown = JSON.parse(documented);
  let actual: unknown;
  try {
    actual = JSON.parse(stdout.slice(stdout.search(/^[{[]/m)));
  } catch {
    return `the page shows JSON, the answer is: ${stdout.slice(0, 500)}`;
  }
  const faults = difference(expected, actual, "");
  return faults.length === 0 ? undefined : `the page shows another answer: ${faults.join("; ")}`;
}

function difference(expected: unknown, actual: unknown, at: string): string[] {
  const here = at || "the answer";
  if (kind(expected) !== kind(actual)) return [`${here} is ${kind(actual)}, on the page ${kind(expected)}`];
  if (Array.isArray(expected) && Array.isArray(actual)) return difference(expected[0], actual[0], `${at}[0]`);
  if (kind(expected) !== "object") return [];
  const [shown, given] = [expected as Record<string, unknown>, actual as Record<string, unknown>];
  // A page writes {} for an object that it does not show.
  if (Object.keys(shown).length === 0) return [];
  const missing = Object.keys(shown).filter((key) => !(key in given));
  const unshown = Object.keys(given).filter((key) => !(key in shown));
  return [
    ...missing.map((key) => `${here} has no ${key}`),
    ...unshown.map((key) => `${here} has ${key}, the page does not`),
    ...Object.keys(shown).flatMap((key) =>
      key in given ? difference(shown[key], given[key], `${at}.${key}`) : [],
    ),
  ];
}

function kind(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
