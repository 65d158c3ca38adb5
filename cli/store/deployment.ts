/** Where the deployed Worker answers, and who may call it. */
import type { ProjectConfig } from "./platform-config.ts";
import { type WranglerResult, wranglerFailure } from "./wrangler-cli.ts";

/** Returns where wrangler.toml puts the Worker. wrangler's default is workers.dev if there are no routes. */
export function servingOf(project: Pick<ProjectConfig, "route" | "routes" | "workers_dev">) {
  const routes = [...(project.routes ?? []), ...(project.route === undefined ? [] : [project.route])];
  const patterns = routes.map((route) => (typeof route === "string" ? route : route.pattern));
  const hosts = patterns.map((pattern) =>
    pattern
      .replace(/^https?:\/\//, "")
      .replace(/\/.*$/, "")
      .toLowerCase(),
  );
  return {
    /** Hosts of the routes and custom domains. Those with `*` are patterns. */
    hosts,
    workersDev: project.workers_dev ?? hosts.length === 0,
    /** Host for the keys of the Cache API. Undefined where the Cache API has no effect. */
    cacheHost: hosts.find((host) => !host.includes("*")),
  };
}

/** Whether the account has the Worker, and whether it has API keys. */
export type Protection = "not deployed" | "open" | "keys";

/**
 * Asks the account for the names of the Worker's secrets.
 * @param list runs `wrangler secret list` with these arguments
 * @throws CommandError when the account does not tell
 */
export async function readProtection(
  list: (args: readonly string[]) => Promise<WranglerResult>,
  environment: readonly string[] = [],
): Promise<Protection> {
  const { code, stdout, stderr } = await list(["secret", "list", "--format", "json", ...environment]);
  if (code === 0) return /"name":\s*"API_KEYS"/.test(stdout) ? "keys" : "open";
  const message = `${stdout}\n${stderr}`;
  if (/Worker ".*" .*not found|Worker ".*" not found|\b(10007|10090)\b/.test(message)) return "not deployed";
  const fix = "run npx wrangler secret list to see why, then run this again";
  throw wranglerFailure(message, "cannot find out whether the Worker has API keys", fix);
}
