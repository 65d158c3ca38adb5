/** Checks two versions of Node: the one that started npm, and the newer one that npm scripts run with. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { broken, type Finding, ok, type Target, warning } from "./finding.ts";

const packageSchema = z.object({
  engines: z.object({ node: z.string().regex(/^>=\d+\.\d+$/) }),
  devDependencies: z.object({ node: z.string() }),
});

/**
 * Checks both versions.
 * @param scriptNode version of the Node that runs this
 */
export async function checkNode(
  { folder, env }: Target,
  scriptNode = process.versions.node,
): Promise<Finding[]> {
  const text = await readFile(path.join(folder, "package.json"), "utf8");
  const { engines, devDependencies } = packageSchema.parse(JSON.parse(text));
  return [
    npmFinding(env.npm_config_user_agent, engines.node.slice(2)),
    scriptFinding(scriptNode, devDependencies.node),
  ];
}

/** npm's user agent names the Node that runs npm: `npm/11.6.0 node/v20.20.0 linux x64`. */
function npmFinding(userAgent: string | undefined, least: string): Finding {
  const version = /\bnode\/v(\d+\.\d+\.\d+)/.exec(userAgent ?? "")?.[1];
  if (version === undefined) return ok("npm's Node: unknown (npm run doctor shows it)");
  if (version.localeCompare(least, "en", { numeric: true }) >= 0) {
    return ok(`npm runs with Node ${version} (at least ${least})`);
  }
  return broken(
    `npm runs with Node ${version}; expected at least ${least}`,
    `install Node ${least} or newer (https://nodejs.org), then npm ci`,
  );
}

function scriptFinding(version: string, pinned: string): Finding {
  if (version === pinned) return ok(`scripts run with Node ${version}, as in package.json`);
  return warning(
    `scripts run with Node ${version}; the project is tested with ${pinned} of package.json`,
    "npm ci installs it; start commands with npm run, not with node",
  );
}
