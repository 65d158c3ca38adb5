/** Runs wrangler's own commands, and explains why Cloudflare refuses. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { CommandError } from "../terminal/fail.ts";
import { offlineEnv, projectFolder, withFolder, wranglerCli } from "./project.ts";

/** A line of JSON that wrangler writes to WRANGLER_OUTPUT_FILE_PATH. */
const outputSchema = z.object({ type: z.literal("deploy"), targets: z.array(z.string()) });

/** How a wrangler command ended. */
export interface WranglerResult {
  readonly code: number;
  /** Empty if the output went to the terminal. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts wrangler in the project's folder, unless `options` name another. */
export function spawnWrangler(args: readonly string[], options: SpawnOptions): ChildProcess {
  const env = { ...process.env, ...offlineEnv, ...options.env };
  return spawn(process.execPath, [wranglerCli, ...args], { cwd: projectFolder, ...options, env });
}

/** Runs wrangler until it ends: `show` on the user's terminal, where it may ask questions; `capture` without questions. */
export async function runWrangler(
  args: readonly string[],
  mode: "show" | "capture",
  env: Readonly<Record<string, string>> = {},
): Promise<WranglerResult> {
  const child = spawnWrangler(args, { env, stdio: mode === "show" ? "inherit" : ["ignore", "pipe", "pipe"] });
  const read = async (stream: Readable | null) => stripVTControlCharacters(stream ? await text(stream) : "");
  const [stdout, stderr, [code]] = await Promise.all([
    read(child.stdout),
    read(child.stderr),
    once(child, "close"),
  ]);
  return { code: code ?? 1, stdout, stderr };
}

/** Runs a wrangler command. Tests replace it. */
export type RunWrangler = typeof runWrangler;

/** Runs a deploy. `urls` are the addresses of the deployed Worker, those on workers.dev last. */
export async function runDeploy(
  args: readonly string[],
  run: RunWrangler = runWrangler,
): Promise<{ readonly code: number; readonly urls: readonly string[] }> {
  return withFolder(async (folder) => {
    const file = path.join(folder, "output.jsonl");
    const { code } = await run(args, "show", { WRANGLER_OUTPUT_FILE_PATH: file });
    const output = await readFile(file, "utf8").catch(() => "");
    const lines = output.split("\n").filter(Boolean);
    const entries = lines.map((line) => outputSchema.safeParse(JSON.parse(line)));
    const urls = entries.flatMap(({ data }) => data?.targets ?? []).flatMap(urlOf);
    const isWorkersDev = (url: string) => Number(url.endsWith(".workers.dev"));
    return { code, urls: urls.toSorted((a, b) => isWorkersDev(a) - isWorkersDev(b)) };
  });
}

/** Turns `https://NAME.workers.dev`, `HOST (custom domain)` or `HOST/PATH* (zone name: ZONE)` into an address. */
function urlOf(target: string): string[] {
  const host = /^(?:https:\/\/)?([a-z\d-]+(?:\.[a-z\d-]+)+)(?=[/ ]|$)/i.exec(target)?.[1];
  return host === undefined ? [] : [`https://${host}`];
}

/** Reads the project's .env as wrangler does, so that a token in it works for every command. */
export function loadProjectEnv(folder = projectFolder): void {
  const file = path.join(folder, ".env");
  if (existsSync(file)) process.loadEnvFile(file);
}

/**
 * Checks that wrangler can use a Cloudflare account.
 * @throws CommandError when nobody is logged in, or when Cloudflare cannot be reached
 */
export async function requireLogin(run: RunWrangler = runWrangler): Promise<void> {
  const { code, stdout, stderr } = await run(["whoami", "--json"], "capture");
  if (code === 0) return;
  const loggedOut = /"loggedIn":\s*false/.test(stdout) ? "not logged in" : "";
  // Other failures may be harmless: a token may be allowed to write a bucket and not to read its owner.
  const failure = cloudflareFailure(loggedOut || stderr);
  if (failure) throw failure;
}

/** What wrangler prints, what it means, and what to do. */
const knownFailures: readonly (readonly [pattern: RegExp, what: string, fix: string])[] = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|fetch failed|Unable to resolve|Could not access `/,
    "Cloudflare's API cannot be reached",
    "check the network (proxy, firewall) and run the command again",
  ],
  [
    /more than one account/i,
    "you belong to several Cloudflare accounts",
    "set account_id in wrangler.toml, or CLOUDFLARE_ACCOUNT_ID (npx wrangler whoami lists them)",
  ],
  [
    /CLOUDFLARE_API_TOKEN|not logged in|wrangler login|Authentication error|code: (9106|9109|10000|10405)\b/i,
    "not logged in to Cloudflare",
    "run npx wrangler login, or set CLOUDFLARE_API_TOKEN to a token that may edit Workers and R2",
  ],
];

/**
 * Returns the error of a wrangler command that failed: what the user must fix, if its output says so, otherwise `what` and
 * wrangler's reason.
 */
export function wranglerFailure(output: string, what: string, fix: string): CommandError {
  const reason = /\[ERROR\]\s*(.*)/.exec(output)?.[1] ?? output.trim().split("\n").at(-1) ?? "";
  return cloudflareFailure(output) ?? new CommandError(`${what}: ${reason}`, { fix });
}

/** Returns what the user must fix, if the message of a failed command says so. */
export function cloudflareFailure(message: string, cause?: unknown): CommandError | undefined {
  const known = knownFailures.find(([pattern]) => pattern.test(message));
  return known && new CommandError(known[1], { fix: known[2], cause });
}
