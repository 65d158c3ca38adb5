/** Builds the Worker of plain-worker.ts. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { readProjectConfig } from "../../cli/store/platform-config.ts";
import { type Bundle, build } from "../../cli/workerd/bundle.ts";

const entry = path.join(import.meta.dirname, "plain-worker.ts");

/** Builds it into `folder`, as a deploy does. */
export async function buildPlain(folder: string): Promise<Bundle> {
  const config = `${folder}.json`;
  const { compatibility_date } = readProjectConfig();
  await mkdir(path.dirname(config), { recursive: true });
  await writeFile(config, JSON.stringify({ name: "plain", main: entry, compatibility_date, minify: true }));
  await build(["--config", config], folder);
  return { folder, script: "plain-worker.js" };
}
