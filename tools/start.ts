/** `npm start`: the pack into the local bucket, the Worker under wrangler dev, and a curl line that works. */
import { type ChildProcess, spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { styleText } from "node:util";
import { Command } from "commander";
import { offlineEnv, projectFolder, withLocalBucket } from "./store/local-bucket.ts";
import { findPackFolder, readLocalPack } from "./store/local-pack.ts";
import { pushPack } from "./store/push.ts";
import { CommandError, runCommand } from "./terminal/fail.ts";
import { parsePort } from "./terminal/options.ts";
import { createProgress } from "./terminal/progress.ts";

const host = "127.0.0.1";
const startTimeoutMs = 60_000;
const exampleImage = "examples/images/ship.jpg";

await runCommand(async () => {
  const program = new Command("npm start --")
    .description("Serve a pack on this machine with wrangler dev.")
    .option("--port <port>", "port to listen on", parsePort, 8787)
    .option("--model <name>", "pack to serve: a name in model-shards, or a folder", "resnet34-cifar10")
    .parse();
  const { port, model } = program.opts<{ port: number; model: string }>();
  const pack = await readLocalPack(await findPackFolder(model));
  await checkPortIsFree(port);
  await access(path.join(projectFolder, exampleImage)).catch(() => {
    throw new CommandError(`${exampleImage} is missing; restore it with git checkout ${exampleImage}`);
  });

  const report = await withLocalBucket((bucket) => pushPack(bucket, pack, createProgress()));
  const megabytes = (report.uploadedBytes / 1e6).toFixed(1);
  const pushed = report.uploaded === 0 ? "already in" : `${report.uploaded} files, ${megabytes} MB, put into`;
  console.log(`${report.name} ${report.version}: ${pushed} the local bucket`);

  const wrangler = startWrangler(port, pack.manifest.name);
  await waitUntilReady(wrangler, port);
  const url = `http://localhost:${port}`;
  console.log(`
${styleText("green", "ready")} ${styleText("bold", url)}   (Ctrl+C stops it)

  curl --data-binary @${exampleImage} "${url}/v1/classify?top_k=3"
`);
});

async function checkPortIsFree(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "is in use by another program" : `cannot be listened on (${code})`;
    throw new CommandError(
      `port ${port} ${why}; stop it, or choose another: npm start -- --port ${port + 1}`,
      {
        cause,
      },
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function startWrangler(port: number, model: string): ChildProcess {
  const cli = path.join(projectFolder, "node_modules", "wrangler", "bin", "wrangler.js");
  const options = ["--port", String(port), "--ip", host, "--show-interactive-dev-session=false"];
  const child = spawn(process.execPath, [cli, "dev", ...options, "--var", `MODEL_NAME:${model}`], {
    cwd: projectFolder,
    env: { ...process.env, ...offlineEnv },
    stdio: ["ignore", "inherit", "inherit"],
  });
  child.on("exit", (code) => process.exit(code ?? 1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return child;
}

/** Ready means that the model is loaded: the first answer then takes no longer than the next. */
async function waitUntilReady(wrangler: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  let reason = "no answer";
  while (Date.now() < deadline && wrangler.exitCode === null) {
    try {
      const response = await fetch(`http://${host}:${port}/readyz`);
      // A 401 is a door locked with API_KEYS of .dev.vars: up, and for whoever has a key.
      if (response.ok || response.status === 401) return;
      reason = ((await response.json()) as { detail?: string }).detail ?? `status ${response.status}`;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  wrangler.kill();
  throw new CommandError(`the Worker is not ready after ${startTimeoutMs / 1000} s: ${reason}`);
}
