/** Checks wrangler.toml and .dev.vars with the schema that the Worker itself uses. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import { variableFaults, variableNames } from "../../src/config.ts";
import { bucketNameOf, readProjectConfig } from "../store/platform-config.ts";
import { broken, type Finding, ok, type Target, warning } from "./finding.ts";

/**
 * Checks the bucket binding, every variable, and that the model's pack is on this machine.
 * @throws CommandError when wrangler.toml is not valid or binds no bucket
 */
export async function checkSettings({ folder }: Target): Promise<Finding[]> {
  const project = readProjectConfig(folder);
  const bucket = bucketNameOf(project);
  const text = await readFile(path.join(folder, ".dev.vars"), "utf8").catch(() => "");
  // Secrets: no finding may repeat a value.
  const secrets: Readonly<Record<string, unknown>> = { ...parseEnv(text) };
  const all = { ...project.vars, ...secrets };
  const findings = [
    ...variableFindings(project.vars, "wrangler.toml"),
    ...variableFindings(secrets, ".dev.vars"),
    ...modelFindings(folder, all.MODEL_NAME),
  ];
  if (findings.length > 0) return findings;
  const names = Object.keys(all);
  return [ok(`bucket ${bucket}; ${names.length} variables, all valid (${names.join(", ")})`)];
}

function variableFindings(variables: Readonly<Record<string, unknown>>, file: string): Finding[] {
  const faults = variableFaults(variables).map(({ variable, expected }) =>
    broken(`${variable} in ${file} is not valid: the Worker answers 503`, `set it to ${expected}`),
  );
  const unknown = Object.keys(variables).filter((name) => !variableNames.includes(name));
  const fix = `remove it, or use one of ${variableNames.join(", ")}`;
  const warnings = unknown.map((name) =>
    warning(`${name} in ${file} is not a variable of the Worker: it has no effect`, fix),
  );
  return [...faults, ...warnings];
}

function modelFindings(folder: string, model: unknown): Finding[] {
  if (typeof model !== "string" || variableFaults({ MODEL_NAME: model }).length > 0) return [];
  if (existsSync(path.join(folder, "model-shards", model, "manifest.json"))) return [];
  return [
    warning(
      `MODEL_NAME is ${model}, but model-shards has no such pack: npm run deploy cannot push it`,
      `make it (npm run model -- fetch ${model}, npm run model -- pack ${model}), or set MODEL_NAME to a name in model-shards`,
    ),
  ];
}
