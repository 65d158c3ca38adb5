/** Checks two versions of Node: the one that started npm, and the newer one in which the project's scripts run. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { broken, type Finding, ok, type Patient, warning } from "./finding.ts";

const packageSchema = z.object({
  engines: z.object({ node: z.string().regex(/^>=\d+\.\d+$/) }),
  devDependencies: z.object({ node: z.string() }),
});

/** @param inside version of the Node that runs this */
export async function checkNode(patient: Patient, inside = process.versions.node): Promise<Finding[]> {
  const text = await readFile(path.join(patient.folder, "package.json"), "utf8");
  const { engines, devDependencies } = packageSchema.parse(JSON.parse(text));
  const least = engines.node.slice(2);
  return [
    outsideFinding(patient.env.npm_config_user_agent, least),
    insideFinding(inside, devDependencies.node),
  ];
}

/** npm's user agent names the Node that runs npm: `npm/11.6.0 node/v20.20.0 linux x64`. */
function outsideFinding(userAgent: string | undefined, least: string): Finding {
  const outside = /\bnode\/v(\d+\.\d+\.\d+)/.exec(userAgent ?? "")?.[1];
  if (outside === undefined) {
    return ok("Node outside: unknown (only npm knows it; start this with npm run doctor)");
  }
  if (isAtLeast(outside, least)) return ok(`Node outside ${outside} (at least ${least})`);
  return broken(
    `Node outside is ${outside}; expected at least ${least}`,
    `install Node ${least} or newer (https://nodejs.org), then npm ci`,
  );
}

function insideFinding(inside: string, pinned: string): Finding {
  if (inside === pinned) return ok(`Node inside ${inside}, the project's own`);
  return warning(
    `Node inside is ${inside}, not ${pinned} of package.json: not what the project is tested with`,
    "npm ci brings it; start commands with npm run, not with node",
  );
}

function isAtLeast(version: string, least: string): boolean {
  return version.localeCompare(least, "en", { numeric: true }) >= 0;
}
