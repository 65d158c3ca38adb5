/** wrangler.toml and .dev.vars, by the very schema that the Worker reads them with. */
import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import { variableFaults, variableNames } from "../../src/config.ts";
import { bucketNameOf, type ProjectConfig, readProjectConfig } from "../store/platform-config.ts";
import { CommandError } from "../terminal/fail.ts";
import { broken, type Finding, ok, type Patient, warning } from "./finding.ts";

export async function checkSettings({ folder }: Patient): Promise<Finding[]> {
  let project: ProjectConfig;
  let bucket: string;
  try {
    project = readProjectConfig(folder);
    bucket = bucketNameOf(project);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return [
      broken(error.message.split("; ")[0] ?? error.message, "mend that line, or git checkout wrangler.toml"),
    ];
  }
  const secrets = await devVars(folder);
  const findings = [
    ...variableFindings(project.vars, "wrangler.toml"),
    ...variableFindings(secrets, ".dev.vars"),
    ...(await modelFindings(folder, { ...project.vars, ...secrets }.MODEL_NAME)),
  ];
  if (findings.length > 0) return findings;
  const names = Object.keys({ ...project.vars, ...secrets });
  return [ok(`bucket ${bucket}; ${names.length} variables, all valid (${names.join(", ")})`)];
}

/** What `npm start` reads besides; secrets, so that no value is ever repeated. */
async function devVars(folder: string): Promise<Record<string, string | undefined>> {
  const text = await readFile(path.join(folder, ".dev.vars"), "utf8").catch(() => "");
  return { ...parseEnv(text) };
}

function variableFindings(variables: Readonly<Record<string, unknown>>, file: string): Finding[] {
  const faults = variableFaults(variables).map(({ variable, expected }) =>
    broken(`${variable} in ${file} does not hold: the Worker answers 503`, `set it to ${expected}`),
  );
  const unknown = Object.keys(variables).filter((name) => !variableNames.includes(name));
  return [
    ...faults,
    ...unknown.map((name) =>
      warning(
        `${name} in ${file} is no variable of the Worker's: it has no effect`,
        `take it out, or write one of ${variableNames.join(", ")}`,
      ),
    ),
  ];
}

async function modelFindings(folder: string, model: unknown): Promise<Finding[]> {
  if (typeof model !== "string" || variableFaults({ MODEL_NAME: model }).length > 0) return [];
  const here = await access(path.join(folder, "model-shards", model, "manifest.json")).then(
    () => true,
    () => false,
  );
  if (here) return [];
  return [
    warning(
      `MODEL_NAME is ${model}, and model-shards has no such pack: npm run deploy cannot push it`,
      `make it (npm run model -- fetch ${model}, npm run model -- pack ${model}), or set MODEL_NAME to one of model-shards`,
    ),
  ];
}
