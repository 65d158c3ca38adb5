/** The steps of `npm run deploy`. Everything that reaches the outside is injected, so that tests can replace it. */
import { styleText } from "node:util";
import { type LocalPack, readLocalPack } from "../store/local-pack.ts";
import type { PushReport } from "../store/push.ts";
import { cloudflareFailure, type WranglerResult } from "../store/wrangler-cli.ts";
import { CommandError } from "../terminal/fail.ts";
import { megabytes } from "../terminal/output.ts";
import { describePush } from "./push.ts";

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
 * Checks the pack, creates the bucket, pushes the pack and deploys the Worker. Safe to run again: finished steps find
 * nothing to do. A dry run checks the pack and builds the Worker.
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
  indented(`${model} ${pack.manifest.version}: ${pack.files.length} files, ${megabytes(bytes)}, all whole`);

  const create = ["r2", "bucket", "create", bucket];
  announce(`create the bucket ${bucket} if it does not exist`, `npx wrangler ${create.join(" ")}`);
  if (!dryRun) indented(await createBucket(create, io));

  announce("push the pack; files that the bucket has are skipped", `npm run model -- push ${model} --remote`);
  if (!dryRun) indented(describePush(await io.push(pack), `the remote bucket ${bucket}`));

  announce("look whether API keys protect the endpoint", `npx wrangler ${listSecrets.join(" ")}`);
  const locked = !dryRun && (await hasApiKeys(io));
  if (!dryRun) indented(locked ? "API_KEYS is set" : openWarning());

  const variable = ["--var", `MODEL_NAME:${model}`];
  announce("deploy the Worker", `npx wrangler deploy ${variable.join(" ")}`);
  if (dryRun) {
    const build = ["deploy", "--dry-run", "--outdir", "dist", ...variable];
    io.say(`    now, without the network:\n    $ npx wrangler ${build.join(" ")}`);
    await succeed(io.show(build), "deploy --dry-run");
    io.say("\ndry run: nothing was uploaded, created or deployed");
  } else {
    const { urls } = await succeed(io.show(["deploy", ...variable]), "deploy");
    io.say(closing(urls, locked));
  }
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

const listSecrets = ["secret", "list", "--format", "json"];

/** False also before the first deployment, when there is no Worker to ask about. */
async function hasApiKeys(io: DeployIo): Promise<boolean> {
  const { code, stdout } = await io.capture(listSecrets);
  return code === 0 && /"name":\s*"API_KEYS"/.test(stdout);
}

/** An open endpoint spends its owner's money, so the warning is loud. */
function openWarning(): string {
  return `${styleText(["bold", "red"], "WARNING: THE ENDPOINT IS OPEN. The Worker has no API_KEYS: everyone who knows its address spends your money.")}
lock it (a key has at least 16 characters; openssl rand -hex 24 makes one):
  npx wrangler secret put API_KEYS`;
}

async function succeed<T extends { readonly code: number }>(running: Promise<T>, what: string): Promise<T> {
  const result = await running;
  if (result.code === 0) return result;
  throw new CommandError(`wrangler ${what} failed with exit code ${result.code}`, {
    fix: "see its message above, then run npm run deploy again",
  });
}

function closing(urls: readonly string[], locked: boolean): string {
  const key = locked ? '-H "Authorization: Bearer $KEY" ' : "";
  const url = urls[0] ?? "https://<your Worker>";
  return `
deployed: ${urls.length === 0 ? "see wrangler's output above for its address" : urls.join(", ")}

check that the model loads:
  curl ${key}${url}/readyz
classify a picture:
  curl ${key}--data-binary @examples/images/ship.jpg "${url}/v1/classify?top_k=3"${locked ? "" : `\n\n${openWarning()}`}`;
}
