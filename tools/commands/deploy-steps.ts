/** The steps of `npm run deploy`, with what they do to the world injected. */
import { styleText } from "node:util";
import { type LocalPack, readLocalPack } from "../store/local-pack.ts";
import type { PushReport } from "../store/push.ts";
import { cloudflareFailure, type WranglerResult } from "../store/wrangler-cli.ts";
import { CommandError } from "../terminal/fail.ts";
import { megabytes } from "../terminal/output.ts";
import { describePush } from "./push.ts";

export interface DeployIo {
  /** Runs wrangler and keeps what it prints. */
  capture(args: readonly string[]): Promise<WranglerResult>;
  /** Runs wrangler on the terminal; `urls` are where the Worker then is. */
  show(args: readonly string[]): Promise<{ readonly code: number; readonly urls: readonly string[] }>;
  /** Fails when nobody is logged in. */
  requireLogin(): Promise<void>;
  push(pack: LocalPack): Promise<PushReport>;
  say(line: string): void;
}

export interface DeployPlan {
  readonly model: string;
  /** Folder of the pack. */
  readonly folder: string;
  readonly bucket: string;
  readonly dryRun: boolean;
}

interface Step {
  readonly title: string;
  /** The same by hand. */
  readonly command: string;
  readonly run: () => Promise<void>;
  /** What a dry run does; nothing when left out. */
  readonly rehearse?: () => Promise<void>;
  /** Its command, where that is another. */
  readonly rehearsal?: string;
}

/** @throws CommandError at the first step that fails; running it again is safe, finished steps find nothing to do */
export async function deploy(plan: DeployPlan, io: DeployIo): Promise<void> {
  if (!plan.dryRun) await io.requireLogin();
  const deployed: string[] = [];
  let locked = false;
  const steps = planSteps(plan, io, {
    onUrls: (urls) => deployed.push(...urls),
    onDoor: (isLocked) => {
      locked = isLocked;
    },
  });
  for (const [i, { title, command, run, rehearse, rehearsal }] of steps.entries()) {
    io.say(`${i + 1}/${steps.length} ${title}\n    $ ${command}`);
    if (plan.dryRun && rehearsal !== undefined) io.say(`    now, without the network:\n    $ ${rehearsal}`);
    await (plan.dryRun ? rehearse?.() : run());
  }
  io.say(plan.dryRun ? "\ndry run: nothing was uploaded, created or deployed" : closing(deployed, locked));
}

interface Findings {
  readonly onUrls: (urls: readonly string[]) => void;
  /** Whether API keys are set. */
  readonly onDoor: (locked: boolean) => void;
}

function planSteps(plan: DeployPlan, io: DeployIo, { onUrls, onDoor }: Findings): Step[] {
  const { model, folder, bucket } = plan;
  const variable = ["--var", `MODEL_NAME:${model}`];
  const rehearsal = ["deploy", "--dry-run", "--outdir", "dist", ...variable];
  const create = ["r2", "bucket", "create", bucket];
  let pack: LocalPack | undefined;
  const check = async () => {
    pack = await readLocalPack(folder);
    if (pack.manifest.name !== model) {
      throw new CommandError(`the pack in ${folder} is named ${pack.manifest.name}; expected ${model}`);
    }
    const bytes = pack.files.reduce((sum, file) => sum + file.bytes, 0);
    io.say(
      `    ${model} ${pack.manifest.version}: ${pack.files.length} files, ${megabytes(bytes)}, all whole`,
    );
  };
  return [
    {
      title: `check the pack ${model}`,
      command: `npm run model -- info ${model}`,
      run: check,
      rehearse: check,
    },
    {
      title: `create the bucket ${bucket} if it is not there`,
      command: `npx wrangler ${create.join(" ")}`,
      run: async () => io.say(`    ${await createBucket(create, io)}`),
    },
    {
      title: "push the pack; what the bucket holds already is skipped",
      command: `npm run model -- push ${model} --remote`,
      run: async () => {
        if (!pack) throw new Error("the pack has not been read");
        const text = describePush(await io.push(pack), `the remote bucket ${bucket}`);
        io.say(text.replaceAll(/^/gm, "    "));
      },
    },
    {
      title: "look whether API keys lock the endpoint",
      command: `npx wrangler ${listSecrets.join(" ")}`,
      run: async () => {
        const locked = await hasApiKeys(io);
        onDoor(locked);
        io.say(locked ? "    API_KEYS is set" : openWarning().replaceAll(/^/gm, "    "));
      },
    },
    {
      title: "deploy the Worker",
      command: `npx wrangler deploy ${variable.join(" ")}`,
      rehearsal: `npx wrangler ${rehearsal.join(" ")}`,
      run: async () => onUrls((await succeed(io.show(["deploy", ...variable]), "deploy")).urls),
      rehearse: async () => {
        await succeed(io.show(rehearsal), "deploy --dry-run");
      },
    },
  ];
}

async function createBucket(args: readonly string[], io: DeployIo): Promise<string> {
  const { code, stdout, stderr } = await io.capture(args);
  if (code === 0) return "created";
  const message = `${stdout}\n${stderr}`;
  if (/already exists|\b10004\b/i.test(message)) return "already there";
  const line = /\[ERROR\]\s*(.*)/.exec(message)?.[1] ?? message.trim().split("\n").at(-1) ?? "";
  const hint = /\b10042\b|enable R2/i.test(message) ? "enable R2 in the Cloudflare dashboard" : "mend that";
  throw (
    cloudflareFailure(message) ??
    new CommandError(`wrangler ${args.join(" ")} failed: ${line}; ${hint} and run npm run deploy again`)
  );
}

const listSecrets = ["secret", "list", "--format", "json"];

/** False also where it cannot be told: before the first deploy there is no Worker to ask about. */
async function hasApiKeys(io: DeployIo): Promise<boolean> {
  const { code, stdout } = await io.capture(listSecrets);
  return code === 0 && /"name":\s*"API_KEYS"/.test(stdout);
}

/** An open endpoint spends the owner's money: it must not go unnoticed. */
function openWarning(): string {
  return `${styleText(["bold", "red"], "WARNING: THE ENDPOINT IS OPEN. The Worker has no API_KEYS: everyone who knows its address spends your money.")}
lock it (a key has at least 16 characters; openssl rand -hex 24 makes one):
  npx wrangler secret put API_KEYS`;
}

async function succeed<T extends { readonly code: number }>(running: Promise<T>, what: string): Promise<T> {
  const result = await running;
  if (result.code === 0) return result;
  throw new CommandError(
    `wrangler ${what} failed with exit code ${result.code}; see its message above, then run npm run deploy again`,
  );
}

function closing(urls: readonly string[], locked: boolean): string {
  const key = locked ? '-H "Authorization: Bearer $KEY" ' : "";
  const url = urls[0] ?? "https://<your Worker>";
  return `
deployed: ${urls.length === 0 ? "see wrangler's lines above for where" : urls.join(", ")}

check that the model loads:
  curl ${key}${url}/readyz
classify a picture:
  curl ${key}--data-binary @examples/images/ship.jpg "${url}/v1/classify?top_k=3"${locked ? "" : `\n\n${openWarning()}`}`;
}
