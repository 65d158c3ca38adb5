/** Checks wrangler.toml and .dev.vars with the schema that the Worker itself uses. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import { variableFaults, variableNames } from "../../src/config.ts";
import { bucketNameOf, readProjectConfig } from "../store/platform-config.ts";
import { broken, brokenBy, type Finding, ok, type Patient, warning } from "./finding.ts";

/** Checks the bucket binding, every variable, and that the model's pack is on this machine. */
export async function checkSettings({ folder }: Patient): Promise<Finding[]> {
  try {
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
  } catch (error) {
    return [brokenBy(error)];
  }
}

function variableFindings(variables: Readonly<Record<string, unknown>>, file: string): Finding[] {
  const faults = variableFaults(variables).map(({ variable, expected }) =>
    broken(`${variable} in ${file} is not valid: the Worker answers 503`, `set it to ${expected}`),
  );
  const unknown = Object.keys(variables).filter((name) => !variableNames.includes(name));
  const fix = `remove it, or write one of ${variableNames.join(", ")}`;
  const warnings = unknown.map((name) =>
    warning(`${name} in ${file} is no variable of the Worker's: it has no effect`, fix),
  );
  return [...faults, ...warnings];
}

function modelFindings(folder: string, model: unknown): Finding[] {
  if (typeof model !== "string" || variableFaults({ MODEL_NAME: model }).length > 0) return [];
  if (existsSync(path.join(folder, "model-shards", model, "manifest.json"))) return [];
  return [
    warning(
      `MODEL_NAME is ${model}, and model-shards has no such pack: npm run deploy cannot push it`,
      `make it (npm run model -- fetch ${model}, npm run model -- pack ${model}), or set MODEL_NAME to one of model-shards`,
    ),
  ];
}
