/** Runs the checks. A check that fails to run is a finding too, and the others still run. */
import { broken, type Check, type Finding, type Patient } from "./finding.ts";

/** The findings of one check. */
export interface Section {
  readonly check: string;
  readonly findings: readonly Finding[];
}

/** Imported one by one: a missing package must not stop the check that reports it. */
export const checks: readonly (readonly [string, () => Promise<Check>])[] = [
  ["node", async () => (await import("./node.ts")).checkNode],
  ["dependencies", async () => (await import("./dependencies.ts")).checkDependencies],
  ["ports", async () => (await import("./ports.ts")).checkPorts],
  ["settings", async () => (await import("./settings.ts")).checkSettings],
  ["packs", async () => (await import("./packs.ts")).checkPacks],
  ["bucket", async () => (await import("./bucket.ts")).checkBucket],
  ["limits", async () => (await import("./limits.ts")).checkLimits],
];

/** Runs one check after the other. */
export async function* examine(patient: Patient, all = checks): AsyncGenerator<Section> {
  for (const [check, load] of all) yield { check, findings: await runCheck(patient, load) };
}

async function runCheck(patient: Patient, load: () => Promise<Check>): Promise<readonly Finding[]> {
  try {
    return await (await load())(patient);
  } catch (error) {
    const message = error instanceof Error ? (error.message.split("\n")[0] ?? error.name) : String(error);
    return [broken(`this check could not run: ${message}`, "fix what is broken above, then run it again")];
  }
}
