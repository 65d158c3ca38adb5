/** The steps of `npm run deploy`. Tests replace everything that leaves this process. */
import { styleText } from "node:util";
import { type LocalPack, readLocalPack } from "../store/local-pack.ts";
import type { PushReport } from "../store/push.ts";
import { cloudflareFailure, type WranglerResult } from "../store/wrangler-cli.ts";
import { CommandError } from "../terminal/fail.ts";
import { megabytes } from "../terminal/output.ts";
import { describePush } from "./bucket.ts";

/** What a deployment does outside this process. */
export interface DeployIo {
  /** Runs wrangler and keeps what it prints. */
  capture(args: readonly string[]): Promise<WranglerResult>;
  /** Runs wrangler on the terminal. `urls` are the addresses of the deployed Worker. */
  show(args: readonly string[]): Promise<{ readonly code: number; readonly urls: readonly string[] }>;
  /** @throws CommandError when nobody is logged in */
  requireLogin(): Promise<void>;
  push(pack: LocalPack): Promise<PushReport>;
  say(line: string): void;
}

/** What to deploy. */
export interface DeployPlan {
  readonly model: string;
  /** Folder of the pack. */
  readonly folder: string;
  readonly bucket: string;
  readonly dryRun: boolean;
}

/**
 * Checks the pack, creates the bucket, pushes the pack and deploys the Worker. Safe to run again: finished steps are
 * skipped. A dry run checks the pack and builds the Worker.
 * @throws CommandError at the first step that fails
 */
export async function deploy({ model, folder, bucket, dryRun }: DeployPlan, io: DeployIo): Promise<void> {
  if (!dryRun) await io.requireLogin();
  let steps = 0;
  const announce = (title: string, command: string) => io.say(`${++steps}/5 ${title}\n    $ ${command}`);
  const indented = (text: string) => io.say(text.replaceAll(/^/gm, "    "));

  announce(`check the pack ${model}`, `npm run model -- info ${model}`);
  const pack = await readLocalPack(folder);
  if (pack.manifest.name !== model) {
    throw new CommandError(`the pack in ${folder} is named ${pack.manifest.name}; expected ${model}`);
  }
  const bytes = pack.files.reduce((sum, file) => sum + file.bytes, 0);
  indented(
    `${model} ${pack.manifest.version}: ${pack.files.length} files, ${megabytes(bytes)}, all hashes match`,
  );

  const create = ["r2", "bucket", "create", bucket];
  announce(`create the bucket ${bucket} if it does not exist`, `npx wrangler ${create.join(" ")}`);
  if (!dryRun) indented(await createBucket(create, io));

  announce("push the pack, except for files that the bucket has", `npm run model -- push ${model} --remote`);
  if (!dryRun) indented(describePush(await io.push(pack), `the remote bucket ${bucket}`));

  const listSecrets = ["secret", "list", "--format", "json"];
  announce("check whether API keys protect the endpoint", `npx wrangler ${listSecrets.join(" ")}`);
  // Listing fails before the first deployment, when there is no Worker yet.
  const secrets = dryRun ? undefined : await io.capture(listSecrets);
  const locked = secrets?.code === 0 && /"name":\s*"API_KEYS"/.test(secrets.stdout);
  if (!dryRun) indented(locked ? "API_KEYS is set" : openWarning());

  const variable = ["--var", `MODEL_NAME:${model}`];
  const args = dryRun ? ["deploy", "--dry-run", "--outdir", "dist", ...variable] : ["deploy", ...variable];
  announce("deploy the Worker", `npx wrangler deploy ${variable.join(" ")}`);
  if (dryRun) io.say(`    now, without the network:\n    $ npx wrangler ${args.join(" ")}`);
  const { code, urls } = await io.show(args);
  if (code !== 0) {
    throw new CommandError(`wrangler deploy failed with exit code ${code}`, {
      fix: "see its message above, then run npm run deploy again",
    });
  }
  io.say(dryRun ? "\ndry run: nothing was uploaded, created or deployed" : closing(urls, locked));
}

async function createBucket(args: readonly string[], io: DeployIo): Promise<string> {
  const { code, stdout, stderr } = await io.capture(args);
  if (code === 0) return "created";
  const message = `${stdout}\n${stderr}`;
  if (/already exists|\b10004\b/i.test(message)) return "already there";
  const line = /\[ERROR\]\s*(.*)/.exec(message)?.[1] ?? message.trim().split("\n").at(-1) ?? "";
  const hint = /\b10042\b|enable R2/i.test(message) ? "enable R2 in the Cloudflare dashboard" : "fix that";
  const fix = `${hint} and run npm run deploy again`;
  throw cloudflareFailure(message) ?? new CommandError(`wrangler ${args.join(" ")} failed: ${line}`, { fix });
}

/** Loud, because an open endpoint spends its owner's money. */
function openWarning(): string {
  return `${styleText(["bold", "red"], "WARNING: THE ENDPOINT IS OPEN. The Worker has no API_KEYS: anyone who knows its address can spend your money.")}
set a key of at least 16 characters (openssl rand -hex 24 makes one):
  npx wrangler secret put API_KEYS`;
}

function closing(urls: readonly string[], locked: boolean): string {
  const key = locked ? '-H "Authorization: Bearer $KEY" ' : "";
  const url = urls[0] ?? "https://<your Worker>";
  return `
deployed: ${urls.length === 0 ? "see wrangler's output above for its address" : urls.join(", ")}

check that the model loads:
  curl ${key}${url}/readyz
classify a picture:
  curl ${key}--data-binary @examples/images/teapot.jpg "${url}/v1/classify?top_k=3"${locked ? "" : `\n\n${openWarning()}`}`;
}
