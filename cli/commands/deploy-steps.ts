/** The steps of `npm run deploy`. Tests replace everything that leaves this process. */
import { styleText } from "node:util";
import { deploymentFindings } from "../doctor/deployment.ts";
import { readProtection, servingOf } from "../store/deployment.ts";
import { type LocalPack, readLocalPack } from "../store/local-pack.ts";
import {
  bucketNameOf,
  connectTimeoutMs,
  onboardingUrl,
  type ProjectConfig,
  readProjectConfig,
  withJsonFile,
} from "../store/platform-config.ts";
import type { PushReport } from "../store/push.ts";
import { type WranglerResult, wranglerFailure } from "../store/wrangler-cli.ts";
import { setVariable } from "../store/wrangler-toml.ts";
import { CommandError } from "../terminal/fail.ts";
import { megabytes } from "../terminal/output.ts";
import { describePush, workerModel } from "./bucket.ts";
import { type AccessChoice, type AccessPlan, planAccess } from "./deploy-access.ts";
import { npmRun } from "./shared.ts";

/** What a deployment does outside this process. */
export interface DeployIo {
  /** Runs wrangler and keeps what it prints. */
  capture(args: readonly string[]): Promise<WranglerResult>;
  /** Runs wrangler on the terminal. `urls` are the addresses of the deployed Worker. */
  show(args: readonly string[]): Promise<{ readonly code: number; readonly urls: readonly string[] }>;
  /** @throws CommandError when nobody is logged in */
  requireLogin(): Promise<void>;
  push(pack: LocalPack, bucket: string): Promise<PushReport>;
  say(line: string): void;
}

/** What to deploy. */
export interface DeployPlan extends AccessChoice {
  /** The settings of the environment. */
  readonly project: ProjectConfig;
  /** Folder of wrangler.toml. */
  readonly projectFolder: string;
  readonly model: string;
  /** Folder of the pack. */
  readonly folder: string;
  readonly dryRun: boolean;
}

/**
 * Checks the settings and the pack, decides who may call, creates the bucket, pushes the pack and deploys the Worker. Safe
 * to run again: finished steps are skipped. A dry run checks the settings and the pack, and builds the Worker.
 * @throws CommandError at the first step that fails
 */
export async function deploy(plan: DeployPlan, io: DeployIo): Promise<void> {
  const { project, model, folder, dryRun } = plan;
  const bucket = bucketNameOf(project);
  const environment = plan.environment === undefined ? [] : ["--env", plan.environment];
  if (!dryRun) await io.requireLogin();
  let steps = 0;
  const announce = (title: string, command: string) => io.say(`${++steps}/6 ${title}\n    $ ${command}`);
  const indented = (text: string) => io.say(text.replaceAll(/^/gm, "    "));

  announce("check wrangler.toml", "npm run doctor");
  const findings = await deploymentFindings(project, plan.projectFolder, plan.environment);
  for (const finding of findings) {
    if (finding.level === "broken") throw new CommandError(finding.what, { fix: finding.fix });
    indented(finding.level === "ok" ? finding.what : `warning: ${finding.what}\nfix: ${finding.fix}`);
  }

  announce(`check the pack ${model}`, `npm run model -- info ${model}`);
  const pack = await readLocalPack(folder);
  if (pack.manifest.name !== model) {
    throw new CommandError(`the pack in ${folder} is named ${pack.manifest.name}; expected ${model}`);
  }
  const bytes = pack.files.reduce((sum, file) => sum + file.bytes, 0);
  indented(
    `${model} ${pack.manifest.version}: ${pack.files.length} files, ${megabytes(bytes)}, all hashes match`,
  );

  announce(
    "decide who may call",
    `npx wrangler secret list${environment.map((word) => ` ${word}`).join("")}`,
  );
  const protection = dryRun ? undefined : await readProtection((args) => io.capture(args), environment);
  const access = planAccess(protection, plan);
  indented(access.text);

  const create = ["r2", "bucket", "create", bucket];
  announce(`create the bucket ${bucket} if it does not exist`, `npx wrangler ${create.join(" ")}`);
  if (!dryRun) indented(await createBucket(create, io));

  const flags = ["--remote", ...(plan.environment === undefined ? [] : ["--bucket", bucket])];
  announce("push the pack, except for files that the bucket has", npmRun("model", "push", model, ...flags));
  if (protection === "not deployed") {
    indented(
      `This needs a workers.dev subdomain, which a new account does not have: it then fails after ${connectTimeoutMs / 1000} s. Register one at ${onboardingUrl}`,
    );
  }
  const { refreshSeconds } = workerModel(project.vars, true);
  const place = { name: bucket, remote: true, flags, worker: { model, refreshSeconds } };
  if (!dryRun) indented(describePush(await io.push(pack, bucket), place, folder));

  const isNewModel = project.vars.MODEL_NAME !== model;
  const { cacheHost } = servingOf(project);
  const variables = {
    ...(cacheHost === undefined || "CACHE_HOST" in project.vars ? {} : { CACHE_HOST: cacheHost }),
    // A dry run does not write wrangler.toml.
    ...(dryRun && isNewModel ? { MODEL_NAME: model } : {}),
  };
  const args = ["deploy", ...environment];
  for (const [name, value] of Object.entries(variables)) args.push("--var", `${name}:${value}`);
  if (dryRun) args.push("--dry-run", "--outdir", "dist");
  announce("deploy the Worker", `npx wrangler ${args.join(" ")}`);
  if (isNewModel) indented(await persistModel(plan));
  // Before the deployment, because it may fail after the key is stored.
  if (access.created) indented(`your API key, which is shown only now:\n  export KEY=${access.newKeys}`);
  const { code, urls } = await (access.newKeys === undefined
    ? io.show(args)
    : withJsonFile({ API_KEYS: access.newKeys }, (file) => io.show([...args, "--secrets-file", file])));
  if (code !== 0) {
    throw new CommandError(`wrangler deploy failed with exit code ${code}`, {
      fix: "see its message above, then run npm run deploy again",
    });
  }
  io.say(
    dryRun ? "\ndry run: nothing was uploaded, created or deployed" : closing(urls, access, environment),
  );
}

async function createBucket(args: readonly string[], io: DeployIo): Promise<string> {
  const { code, stdout, stderr } = await io.capture(args);
  if (code === 0) return "created";
  const message = `${stdout}\n${stderr}`;
  if (/already exists|\b10004\b/i.test(message)) return "already there";
  const hint = /\b10042\b|enable R2/i.test(message) ? "enable R2 in the Cloudflare dashboard" : "fix that";
  throw wranglerFailure(message, `wrangler ${args.join(" ")} failed`, `${hint} and run npm run deploy again`);
}

/** Writes the model to wrangler.toml, so that later deploys serve it too. */
async function persistModel({ model, projectFolder, environment, dryRun }: DeployPlan): Promise<string> {
  const line = `MODEL_NAME = "${model}"`;
  if (dryRun) return `would write ${line} to wrangler.toml`;
  await setVariable("MODEL_NAME", model, { folder: projectFolder, environment });
  const written = readProjectConfig(projectFolder, environment).vars.MODEL_NAME;
  if (written === model) return `wrote ${line} to wrangler.toml: later deploys serve it too`;
  throw new CommandError(`wrangler.toml sets MODEL_NAME to ${String(written)}; expected ${model}`, {
    fix: `set ${line} there by hand, then run npm run deploy again`,
  });
}

function closing(
  urls: readonly string[],
  { open, created }: AccessPlan,
  environment: readonly string[],
): string {
  const key = open ? "" : '-H "Authorization: Bearer $KEY" ';
  const url = urls[0] ?? "https://<your Worker>";
  const hint = open || created ? "" : ", with KEY set to one of your API keys";
  return `
deployed: ${urls.length === 0 ? "see wrangler's output above for its address" : urls.join(", ")}

check that the model loads${hint}:
  curl ${key}${url}/readyz
classify a picture:
  curl ${key}--data-binary @examples/images/teapot.jpg "${url}/v1/classify?top_k=3"${open ? `\n\n${openWarning(environment)}` : ""}`;
}

/** Loud, because an open endpoint spends its owner's money. */
function openWarning(environment: readonly string[]): string {
  return `${styleText(["bold", "red"], "WARNING: THE ENDPOINT IS OPEN. The Worker has no API keys: anyone who knows its address can spend your money.")}
to protect it:
  ${npmRun("deploy", ...environment, "--create-key")}`;
}
