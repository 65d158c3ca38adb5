/** `npm run deploy`: creates the bucket, pushes the pack and deploys the Worker to your Cloudflare account. */
import { Command } from "commander";
import { defaultModelName } from "../src/default-model.ts";
import { type DeployIo, deploy } from "./commands/deploy-steps.ts";
import { findPackFolder } from "./store/local-pack.ts";
import { readProjectConfig } from "./store/platform-config.ts";
import { projectFolder } from "./store/project.ts";
import { pushPack } from "./store/push.ts";
import { withRemoteBucket } from "./store/remote-bucket.ts";
import { loadProjectEnv, requireLogin, runDeploy, runWrangler } from "./store/wrangler-cli.ts";
import { runAndExit } from "./terminal/fail.ts";
import { createProgress } from "./terminal/progress.ts";

const io: DeployIo = {
  capture: (args) => runWrangler(args, "capture"),
  show: (args) => runDeploy(args),
  requireLogin: () => requireLogin(),
  push: (pack, bucket) => withRemoteBucket((opened) => pushPack(opened, pack, createProgress()), { bucket }),
  say: (line) => console.log(line),
};

await runAndExit(async () => {
  const program = new Command("npm run deploy --")
    .description(
      "Create the bucket if it does not exist, push the pack and deploy the Worker. A new Worker gets an API key, which is printed once. Safe to run again.",
    )
    .option("--model <name>", "pack to serve from now on, a folder of model-shards (default: MODEL_NAME)")
    .option("--create-key", "protect a deployed Worker that has no API keys")
    .option("--open", "deploy without API keys: everyone who knows the address may call")
    .option("--env <name>", "environment of wrangler.toml, such as staging")
    .option("--dry-run", "print each step and build the Worker; no network")
    .addHelpText(
      "after",
      "\nWithout a terminal, a new Worker takes its keys from the environment variable API_KEYS.\n\nExample:\n  npm run deploy -- --model resnet34-v1-7 --dry-run",
    )
    .parse();
  const options = program.opts<{
    model?: string;
    createKey?: boolean;
    open?: boolean;
    env?: string;
    dryRun?: boolean;
  }>();
  loadProjectEnv();
  const project = readProjectConfig(projectFolder, options.env);
  const { model = String(project.vars.MODEL_NAME ?? defaultModelName) } = options;
  const plan = {
    ...{ project, projectFolder, model, environment: options.env },
    folder: await findPackFolder(model),
    dryRun: options.dryRun ?? false,
    access: { open: options.open ?? false, createKey: options.createKey ?? false },
    apiKeys: process.env.API_KEYS,
    terminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
  };
  await deploy(plan, io);
});
