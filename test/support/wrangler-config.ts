/** wrangler.toml with additions, for Workers with optional bindings. */
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { projectFolder } from "../../cli/store/project.ts";

/** Writes the project's configuration with `addition` at its end; `remove` deletes the file. */
export async function configWith(name: string, addition: string) {
  // The file is in the project's folder, because its paths are relative.
  const configPath = path.join(projectFolder, `wrangler.${name}-test.toml`);
  const toml = await readFile(path.join(projectFolder, "wrangler.toml"), "utf8");
  await writeFile(configPath, `${toml}\n${addition}\n`);
  return { configPath, remove: () => rm(configPath, { force: true }) };
}
