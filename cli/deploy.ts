/** `npm run deploy`: creates the bucket, pushes the pack and deploys the Worker to your Cloudflare account. */
import { Command } from "commander";
import { type DeployIo, deploy } from "./commands/deploy-steps.ts";
import { findPackFolder } from "./store/local-pack.ts";
import { bucketNameOf, readProjectConfig } from "./store/platform-config.ts";
import { pushPack } from "./store/push.ts";
import { withRemoteBucket } from "./store/remote-bucket.ts";
import { loadProjectEnv, requireLogin, runDeploy, runWrangler } from "./store/wrangler-cli.ts";
import { runAndExit } from "./terminal/fail.ts";
import { createProgress } from "./terminal/progress.ts";

const io: DeployIo = {
  capture: (args) => runWrangler(args, "capture"),
  show: (args) => runDeploy(args),
  requireLogin: () => requireLogin(),
  push: (pack) => withRemoteBucket((bucket) => pushPack(bucket, pack, createProgress())),
  say: (line) => console.log(line),
};

await runAndExit(async () => {
  const project = readProjectConfig();
  const program = new Command("npm run deploy --")
    .description(
      "Create the bucket if it does not exist, push the pack and deploy the Worker. Safe to run again.",
    )
    .option("--model <name>", "pack to serve, a folder of model-shards", String(project.vars.MODEL_NAME))
    .option("--dry-run", "print each step and build the Worker; no network")
    .addHelpText("after", "\nExample:\n  npm run deploy -- --model resnet34-v1-7 --dry-run")
    .parse();
  const { model, dryRun = false } = program.opts<{ model: string; dryRun?: boolean }>();
  loadProjectEnv();
  const folder = await findPackFolder(model);
  await deploy({ model, folder, bucket: bucketNameOf(project), dryRun }, io);
});
