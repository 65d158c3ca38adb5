/** Runs wrangler's own commands, and says clearly why Cloudflare cannot be used. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { CommandError } from "../terminal/fail.ts";
import { offlineEnv, projectFolder } from "./local-bucket.ts";

const outputSchema = z.object({ type: z.literal("deploy"), targets: z.array(z.string()) });

export interface WranglerResult {
  readonly code: number;
  /** Empty when the output went to the terminal. */
  readonly stdout: string;
  readonly stderr: string;
}

/** `show` lets the user see it and answer its questions; `capture` keeps what it prints, without questions. */
export type RunWrangler = (
  args: readonly string[],
  mode: "show" | "capture",
  env?: Readonly<Record<string, string>>,
) => Promise<WranglerResult>;

export const runWrangler: RunWrangler = (args, mode, env = {}) => {
  const cli = path.join(projectFolder, "node_modules", "wrangler", "bin", "wrangler.js");
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: projectFolder,
    env: { ...process.env, ...offlineEnv, ...env },
    stdio: mode === "show" ? "inherit" : ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += stripVTControlCharacters(text);
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, ...output }));
  });
};

/** Runs a deploy, and tells where the Worker then is. */
export async function runDeploy(
  args: readonly string[],
  run: RunWrangler = runWrangler,
): Promise<{ readonly code: number; readonly urls: readonly string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-deploy-"));
  const file = path.join(folder, "output.jsonl");
  try {
    const { code } = await run(args, "show", { WRANGLER_OUTPUT_FILE_PATH: file });
    return { code, urls: deployedUrls(await readFile(file, "utf8").catch(() => "")) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** From the lines of JSON that wrangler writes to WRANGLER_OUTPUT_FILE_PATH. */
function deployedUrls(output: string): string[] {
  const lines = output.split("\n").filter(Boolean);
  const entries = lines.map((line) => outputSchema.safeParse(JSON.parse(line)));
  return entries.flatMap(({ data }) => data?.targets ?? []).filter((target) => target.startsWith("https://"));
}

/** Reads the project's .env as wrangler does, so that a token kept there works for every command. */
export function loadProjectEnv(folder = projectFolder): void {
  const file = path.join(folder, ".env");
  if (existsSync(file)) process.loadEnvFile(file);
}

/** @throws CommandError when nobody is logged in, or Cloudflare cannot be reached */
export async function requireLogin(run: RunWrangler = runWrangler): Promise<void> {
  const { code, stdout, stderr } = await run(["whoami", "--json"], "capture");
  if (code === 0) return;
  if (/"loggedIn":\s*false/.test(stdout)) throw notLoggedIn();
  // A token may be allowed to write a bucket and not to read its owner: only what will surely fail is fatal here.
  const failure = cloudflareFailure(stderr);
  if (failure) throw failure;
}

const networkFailure =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|fetch failed|Unable to resolve|Could not access `/;
const loginFailure =
  /CLOUDFLARE_API_TOKEN|not logged in|wrangler login|Authentication error|code: (9106|9109|10000|10405)\b/i;

/** What the user must fix, if the message of a failed command says so. */
export function cloudflareFailure(message: string, cause?: unknown): CommandError | undefined {
  const options = cause === undefined ? {} : { cause };
  if (networkFailure.test(message)) {
    return new CommandError("Cloudflare's API cannot be reached", {
      ...options,
      fix: "check the network (proxy, firewall) and run the command again",
    });
  }
  if (/more than one account/i.test(message)) {
    return new CommandError("you belong to several Cloudflare accounts", {
      ...options,
      fix: "set account_id in wrangler.toml, or CLOUDFLARE_ACCOUNT_ID (npx wrangler whoami lists them)",
    });
  }
  return loginFailure.test(message) ? notLoggedIn(options) : undefined;
}

function notLoggedIn(options: ErrorOptions = {}): CommandError {
  return new CommandError("not logged in to Cloudflare", {
    ...options,
    fix: "run npx wrangler login, or set CLOUDFLARE_API_TOKEN to a token that may edit Workers and R2",
  });
}
