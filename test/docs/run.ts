/** Runs the documented commands in a scratch copy of the project, with `npm start` in the background on a free port. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { offlineEnv } from "../../cli/store/local-bucket.ts";
import { freePort, localHost } from "../../cli/terminal/port.ts";
import { answerFault } from "./answer.ts";
import type { CommandBlock } from "./pages.ts";
import { scratchCopy } from "./scratch.ts";

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
export async function runBlocks(
  project: string,
  blocks: readonly CommandBlock[],
  onCommand: (command: string, done: number, total: number) => void = () => {},
): Promise<Outcome[]> {
  const runnable = blocks.filter(({ reason }) => reason === undefined);
  const total = runnable.reduce((sum, { commands }) => sum + commands.length, 0);
  const { folder, remove } = await scratchCopy(project);
  const port = await freePort();
  let stopServer: (() => Promise<void>) | undefined;
  const outcomes: Outcome[] = [];
  try {
    for (const { page, commands, answer } of runnable) {
      for (const [i, command] of commands.entries()) {
        onCommand(command, outcomes.length, total);
        const line = withoutInstall(command);
        if (needsServer(line)) stopServer ??= await startServer(folder, port);
        let fault: string | undefined;
        if (!isServer(line) && line !== "") {
          const { code, stdout, all } = await runLine(withPorts(line, port), folder);
          if (code !== 0) fault = `exit code ${code}\n${all.slice(-4000)}`;
          else if (answer !== undefined && i === commands.length - 1) fault = answerFault(answer, stdout);
        }
        outcomes.push({ page, command, fault });
      }
    }
    onCommand("done", outcomes.length, total);
    return outcomes;
  } finally {
    await stopServer?.();
    await remove();
  }
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

/** The environment of a user who is not logged in to Cloudflare, without questions from wrangler. */
function environment(folder: string): NodeJS.ProcessEnv {
  const { INIT_CWD: _, ...env } = process.env;
  const bin = path.join(folder, "node_modules", ".bin");
  const search = `${bin}${path.delimiter}${process.env.PATH}`;
  return { ...env, ...offlineEnv, NO_COLOR: "1", CI: "1", PATH: search };
}

function start(folder: string, program: string, args: readonly string[], timeout = 0) {
  const child = spawn(program, args, {
    cwd: folder,
    env: environment(folder),
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
  });
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

async function runLine(line: string, folder: string) {
  const { child, output } = start(folder, "sh", ["-c", line], commandTimeoutMs);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...output };
}

/** @returns what stops the server */
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
