/** Measurements in a Node process of their own: no subject warms another's caches or JIT, and memory is its own. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const timeoutMs = 300_000;

/** Runs peers/<script>.ts with one JSON argument and returns the JSON document that it prints. */
export async function runPeer<T>(script: string, argument: unknown): Promise<T> {
  const file = path.join(import.meta.dirname, "peers", `${script}.ts`);
  const args = ["--disable-warning=ExperimentalWarning", file, JSON.stringify(argument)];
  const options = { timeout: timeoutMs, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1)) as T;
}
