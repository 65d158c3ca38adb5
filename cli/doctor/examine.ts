/** Runs the checks. A check that fails to run is a finding too, and the others still run. */
import { CommandError } from "../terminal/fail.ts";
import { broken, brokenBy, type Check, type Finding, type Section, type Target } from "./finding.ts";

/** Imported one by one: a missing package must not stop the check that reports it. */
export const checks: readonly (readonly [name: string, load: () => Promise<Check>])[] = [
  ["node", async () => (await import("./node.ts")).checkNode],
  ["dependencies", async () => (await import("./dependencies.ts")).checkDependencies],
  ["ports", async () => (await import("./ports.ts")).checkPorts],
  ["settings", async () => (await import("./settings.ts")).checkSettings],
  ["deployment", async () => (await import("./deployment.ts")).checkDeployment],
  ["packs", async () => (await import("./packs.ts")).checkPacks],
  ["bucket", async () => (await import("./bucket.ts")).checkBucket],
  ["limits", async () => (await import("./limits.ts")).checkLimits],
];

/** Runs one check after the other. */
export async function* examine(target: Target, all = checks): AsyncGenerator<Section> {
  for (const [check, load] of all) yield { check, findings: await findingsOf(target, load) };
}

/** Runs one check. */
export async function findingsOf(target: Target, load: () => Promise<Check>): Promise<Finding[]> {
  try {
    return await (await load())(target);
  } catch (error) {
    if (error instanceof CommandError) return [brokenBy(error)];
    const [line] = String(error instanceof Error ? error.message : error).split("\n");
    return [
      broken(`this check could not run: ${line}`, "fix what is broken above, then run the doctor again"),
    ];
  }
}
