/** Runs what the docs tell a reader to run, in a scratch copy, with `npm start` in the background on a free port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { offlineEnv } from "../store/local-bucket.ts";
import { answerFault } from "./answer.ts";
import type { CommandBlock } from "./pages.ts";
import { scratchCopy } from "./scratch.ts";

const commandTimeoutMs = 180_000;
const startTimeoutMs = 120_000;
/** Where the docs say that `npm start` serves. */
const documentedServer = "localhost:8787";

export interface Outcome {
  readonly page: string;
  readonly command: string;
  /** Undefined: it did what the page says. */
  readonly fault: string | undefined;
}

/** Blocks with a reason are left to the check of flags; of the others every command runs, in their order. */
export async function runBlocks(
  project: string,
  blocks: readonly CommandBlock[],
  onCommand: (command: string, done: number, total: number) => void = () => {},
): Promise<Outcome[]> {
  const runnable = blocks.filter(({ reason }) => reason === undefined);
  const total = runnable.reduce((sum, { commands }) => sum + commands.length, 0);
  const { folder, remove } = await scratchCopy(project);
  const port = await freePort();
  let server: Server | undefined;
  const outcomes: Outcome[] = [];
  try {
    for (const { page, commands, answer } of runnable) {
      for (const [i, command] of commands.entries()) {
        onCommand(command, outcomes.length, total);
        const line = withoutInstall(command);
        if (server === undefined && needsServer(line)) server = await startServer(folder, port);
        let fault: string | undefined;
        if (!isServer(line) && line !== "") {
          const { code, stdout, output } = await runLine(withPorts(line, port), folder);
          if (code !== 0) fault = `exit code ${code}\n${output.slice(-4000)}`;
          else if (answer !== undefined && i === commands.length - 1) fault = answerFault(answer, stdout);
        }
        outcomes.push({ page, command, fault });
      }
    }
    onCommand("done", outcomes.length, total);
    return outcomes;
  } finally {
    await server?.stop();
    await remove();
  }
}

const withPorts = (command: string, port: number) =>
  command
    .replaceAll(documentedServer, `127.0.0.1:${port}`)
    // Whatever else runs on this machine must not be found at the documented port.
    .replace(/^npm run doctor$/, `npm run doctor -- --port ${port}`);

/** The dependencies are those of the project: installing them is what whoever runs this has done. */
const withoutInstall = (command: string) => command.replace(/^npm ci\s*(&&\s*|$)/, "");
const isServer = (command: string) => /^npm start\b/.test(command);
const needsServer = (command: string) => isServer(command) || command.includes(documentedServer);

function environment(folder: string): NodeJS.ProcessEnv {
  const bin = path.join(folder, "node_modules", ".bin");
  const { INIT_CWD: _, ...env } = process.env;
  // As a user who never logged in to Cloudflare, and never asked by wrangler.
  return {
    ...env,
    ...offlineEnv,
    NO_COLOR: "1",
    CI: "1",
    PATH: `${bin}${path.delimiter}${process.env.PATH}`,
  };
}

async function runLine(
  line: string,
  folder: string,
): Promise<{ code: number | null; stdout: string; output: string }> {
  const child = spawn("sh", ["-c", line], {
    cwd: folder,
    env: environment(folder),
    timeout: commandTimeoutMs,
  });
  child.stdin.end();
  let [stdout, output] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    stdout += data;
    output += data;
  });
  child.stderr.on("data", (data: Buffer) => {
    output += data;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, output: stripVTControlCharacters(output) };
}

interface Server {
  stop(): Promise<void>;
}

async function startServer(folder: string, port: number): Promise<Server> {
  const args = ["tools/start.ts", "--port", String(port)];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: environment(folder),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`npm start is not ready:\n${output}`)), startTimeoutMs);
    child.once("exit", (code) => reject(new Error(`npm start ended with exit code ${code}:\n${output}`)));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data: Buffer) => {
        output += stripVTControlCharacters(String(data));
        if (/^ready /m.test(output)) {
          clearTimeout(timer);
          resolve();
        }
      });
    }
  });
  const stop = () => stopChild(child);
  try {
    await ready;
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
