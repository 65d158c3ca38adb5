/** Runs the checks, each on its own: one that cannot run is a finding like others. */
import type { Check, Finding, Patient } from "./finding.ts";
import { broken } from "./finding.ts";

export interface Section {
  readonly check: string;
  readonly findings: readonly Finding[];
}

/** Loaded when their turn comes: a package that is missing must not keep the others from telling so. */
export const checks: readonly (readonly [string, () => Promise<Check>])[] = [
  ["node", async () => (await import("./node.ts")).checkNode],
  ["dependencies", async () => (await import("./dependencies.ts")).checkDependencies],
  ["ports", async () => (await import("./ports.ts")).checkPorts],
  ["settings", async () => (await import("./settings.ts")).checkSettings],
  ["packs", async () => (await import("./packs.ts")).checkPacks],
  ["bucket", async () => (await import("./bucket.ts")).checkBucket],
  ["limits", async () => (await import("./limits.ts")).checkLimits],
];

export async function* examine(patient: Patient, all = checks): AsyncGenerator<Section> {
  for (const [check, load] of all) yield { check, findings: await runCheck(patient, load) };
}

async function runCheck(patient: Patient, load: () => Promise<Check>): Promise<readonly Finding[]> {
  try {
    return await (await load())(patient);
  } catch (error) {
    const message = error instanceof Error ? (error.message.split("\n")[0] ?? error.name) : String(error);
    return [broken(`this check could not run: ${message}`, "mend what is broken above, then run it again")];
  }
}
