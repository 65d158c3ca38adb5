/**
 * `npm start`: pushes the pack into the local bucket, starts the Worker with wrangler dev, and prints a curl line to try.
 * With --pictures it also copies a folder into a local bucket and labels it.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import { Command } from "commander";
import { defaultModelName } from "../src/default-model.ts";
import { findPackFolder, readLocalPack } from "./store/local-pack.ts";
import { projectFolder } from "./store/project.ts";
import { pushPack } from "./store/push.ts";
import { spawnWrangler } from "./store/wrangler-cli.ts";
import { CommandError, runCommand } from "./terminal/fail.ts";
import { parsePort } from "./terminal/options.ts";
import { megabytes } from "./terminal/output.ts";
import { imageFiles, userPath } from "./terminal/paths.ts";
import { isPortFree, localHost, portAfter } from "./terminal/port.ts";
import { createProgress } from "./terminal/progress.ts";

const startTimeoutMs = 60_000;
const exampleImage = "examples/images/teapot.jpg";

await runCommand(async () => {
  const program = new Command("npm start --")
    .description("Serve a pack on this machine with wrangler dev.")
    .option("--port <port>", "port to listen on", parsePort, 8787)
    .option("--model <name>", "pack to serve: a name in model-shards, or a folder", defaultModelName)
    .option("--pictures <folder>", "copy a folder of image files into a local bucket, label it, and show it")
    .parse();
  const { port, model, pictures } = program.opts<{ port: number; model: string; pictures?: string }>();
  // Fails now if the folder has no pictures.
  if (pictures !== undefined) await imageFiles(userPath(pictures));
  const pack = await readLocalPack(await findPackFolder(model));
  if (!(await isPortFree(port))) {
    throw new CommandError(`port ${port} is in use by another program, or requires more rights`, {
      fix: `stop it, or choose another: npm start -- --port ${portAfter(port)}`,
    });
  }
  if (!existsSync(path.join(projectFolder, exampleImage))) {
    throw new CommandError(`${exampleImage} is missing`, {
      fix: `restore it with git checkout ${exampleImage}`,
    });
  }
  // Imported here because loading wrangler takes most of a second, which the checks do not need.
  const { withLocalBucket } = await import("./store/local-bucket.ts");
  const report = await withLocalBucket((bucket) => pushPack(bucket, pack, createProgress()));
  const pushed = `${report.uploaded} files, ${megabytes(report.uploaded_bytes)}, copied into`;
  console.log(
    `${report.name} ${report.version}: ${report.uploaded === 0 ? "already in" : pushed} the local bucket`,
  );

  const { enabledConfig, migrateLocally, picturesConfig } = await import("./pictures/local.ts");
  const config = pictures === undefined ? undefined : await enabledConfig();
  if (config !== undefined || picturesConfig().isEnabled) await migrateLocally(config ?? "wrangler.toml");
  const url = `http://localhost:${port}`;
  const wrangler = startWrangler(port, pack.manifest.name, config);
  try {
    await waitUntilReady(wrangler, port);
    if (pictures !== undefined) await labelFolder(userPath(pictures), url);
  } catch (error) {
    wrangler.kill();
    throw error;
  }
  console.log(`
${styleText("green", "ready")} ${styleText("bold", url)}   (Ctrl+C stops it)

  curl --data-binary @${exampleImage} "${url}/v1/classify?top_k=3"${
    pictures === undefined ? "" : `\n\n  your pictures: ${url}/pictures`
  }
`);
});

/** Copies a folder into the local bucket, and waits until it is labelled. */
async function labelFolder(folder: string, url: string): Promise<void> {
  const { connect } = await import("./pictures/api.ts");
  const { followQueue } = await import("./pictures/follow.ts");
  const { importFolder, picturesConfig } = await import("./pictures/local.ts");
  const api = await connect({ worker: url });
  // Fails before anything is copied if the Worker requires a key.
  await api.status();
  const progress = createProgress();
  const files = await importFolder(folder, { bucket: picturesConfig().bucket }, api, progress);
  const { current, failed } = await followQueue(api, files, progress);
  console.log(
    `${files} files imported; the bucket has ${current} labelled pictures, and ${failed} without a label`,
  );
}

function startWrangler(port: number, model: string, config: string | undefined): ChildProcess {
  const options = ["--port", String(port), "--ip", localHost, "--show-interactive-dev-session=false"];
  // Otherwise requests have the host of the first route, and the Worker takes itself for a deployed one.
  options.push("--infer-origin-from-routes=false");
  if (config !== undefined) options.push("--config", config);
  const child = spawnWrangler(["dev", ...options, "--var", `MODEL_NAME:${model}`], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  child.on("exit", (code) => process.exit(code ?? 1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return child;
}

/** Waits until the model is loaded, so that the first request is as fast as the next. */
async function waitUntilReady(wrangler: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  let reason = "no answer";
  while (Date.now() < deadline && wrangler.exitCode === null) {
    try {
      const response = await fetch(`http://${localHost}:${port}/readyz`);
      // 401 means that .dev.vars sets API_KEYS: the Worker is ready for requests with a key.
      if (response.ok || response.status === 401) return;
      reason = ((await response.json()) as { detail?: string }).detail ?? `status ${response.status}`;
    } catch {
      // The Worker is not listening yet.
    }
    await sleep(200);
  }
  throw new CommandError(`the Worker is not ready after ${startTimeoutMs / 1000} s: ${reason}`);
}
