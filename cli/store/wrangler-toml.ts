/** Checks and edits wrangler.toml itself, beside what wrangler reads from it. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Ajv } from "ajv";
import { experimental_readRawConfig } from "wrangler";
import { CommandError } from "../terminal/fail.ts";
import { projectFolder } from "./project.ts";

const schemaFile = path.join(projectFolder, "node_modules", "wrangler", "config-schema.json");

/** Reads wrangler's schema once, because compiling it takes half a second. */
async function readSchema() {
  const schema = JSON.parse(await readFile(schemaFile, "utf8"));
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  return { validate, settings: Object.keys(schema.definitions.RawConfig.properties) };
}

let schemaRead: ReturnType<typeof readSchema> | undefined;

/**
 * Returns what wrangler would ignore with no more than a warning, such as `assets.routes`: each setting that wrangler's own
 * schema does not have in that place. Also `vars.NAME` where NAME is a setting of wrangler, because a line at the end of
 * the file belongs to the last table.
 */
export async function misplacedSettings(folder = projectFolder): Promise<string[]> {
  const { rawConfig } = experimental_readRawConfig({ config: path.join(folder, "wrangler.toml") });
  schemaRead ??= readSchema();
  const { validate, settings } = await schemaRead;
  validate(rawConfig);
  // wrangler reports every other error itself.
  const unexpected = (validate.errors ?? []).filter(({ keyword }) => keyword === "additionalProperties");
  const places = unexpected.map(({ instancePath, params }) =>
    [...instancePath.split("/").slice(1), params.additionalProperty].join("."),
  );
  const environments: [string, { vars?: object }][] = Object.entries(rawConfig.env ?? {});
  const tables = environments.map(([name, { vars = {} }]) => ({ table: `env.${name}.vars`, vars }));
  const variables = [{ table: "vars", vars: rawConfig.vars ?? {} }, ...tables].flatMap(({ table, vars }) =>
    Object.keys(vars).flatMap((name) => (settings.includes(name) ? `${table}.${name}` : [])),
  );
  return [...new Set([...places, ...variables])];
}

/**
 * Returns the environments without routes of their own. They inherit those of production, so deploying one would take
 * production's domain away (https://developers.cloudflare.com/workers/wrangler/configuration/#inheritable-keys).
 */
export function environmentsWithInheritedRoutes(folder = projectFolder): string[] {
  const { rawConfig } = experimental_readRawConfig({ config: path.join(folder, "wrangler.toml") });
  const hasRoutes = ({ route, routes }: Pick<typeof rawConfig, "route" | "routes">) =>
    route !== undefined || routes !== undefined;
  if (!hasRoutes(rawConfig)) return [];
  const environments: [string, Pick<typeof rawConfig, "route" | "routes">][] = Object.entries(
    rawConfig.env ?? {},
  );
  return environments.flatMap(([name, settings]) => (hasRoutes(settings) ? [] : [name]));
}

/**
 * Sets a variable of text in wrangler.toml, and changes nothing else.
 * @param environment a named environment, whose variables are in its own table
 * @throws CommandError when the file has no table of variables
 */
export async function setVariable(
  name: string,
  value: string,
  {
    folder = projectFolder,
    environment,
  }: { readonly folder?: string; readonly environment?: string | undefined },
): Promise<void> {
  const file = path.join(folder, "wrangler.toml");
  const table = environment === undefined ? "vars" : `env.${environment}.vars`;
  const lines = (await readFile(file, "utf8")).split("\n");
  const start = lines.findIndex((line) => line.replace(/#.*/, "").trim() === `[${table}]`);
  if (start === -1) {
    throw new CommandError(`wrangler.toml has no table [${table}]`, {
      fix: `add it, with ${name} = "${value}"`,
    });
  }
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("["));
  const end = length === -1 ? lines.length : start + 1 + length;
  const assignment = new RegExp(`^(\\s*${name}\\s*=\\s*)("[^"]*"|'[^']*')`);
  const found = lines.findIndex((line, i) => i > start && i < end && assignment.test(line));
  if (found === -1) lines.splice(start + 1, 0, `${name} = "${value}"`);
  else lines[found] = lines[found]!.replace(assignment, `$1"${value}"`);
  await writeFile(file, lines.join("\n"));
}
