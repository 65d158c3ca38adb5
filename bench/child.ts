/** Runs a measurement in a Node process of its own, where no other subject has warmed caches or used memory. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { PeerName, Peers } from "./peers/main.ts";

const timeoutMs = 300_000;

/**
 * Calls a function of peers/ in a new process. Argument and answer travel as JSON.
 * @throws Error with the output of the process when it fails
 */
export async function runPeer<Name extends PeerName>(
  name: Name,
  argument: Parameters<Peers[Name]>[0],
): Promise<Awaited<ReturnType<Peers[Name]>>> {
  const file = path.join(import.meta.dirname, "peers", "main.ts");
  const args = ["--disable-warning=ExperimentalWarning", file, name, JSON.stringify(argument)];
  const options = { timeout: timeoutMs, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1));
}
