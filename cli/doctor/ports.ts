/** Checks the ports of `npm start`. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isPortFree, localHost, portAfter } from "../terminal/port.ts";
import { broken, type Finding, ok, type Target, warning } from "./finding.ts";

const healthTimeoutMs = 2_000;

/** Checks that both ports are free, or names the program that holds them. */
export async function checkPorts({ port, inspectorPort }: Target): Promise<Finding[]> {
  return [await serverFinding(port), await inspectorFinding(inspectorPort)];
}

async function serverFinding(port: number): Promise<Finding> {
  if (await isPortFree(port)) return ok(`port ${port} is free`);
  if (await isOurWorker(port)) return ok(`port ${port}: the Worker already runs there (npm start)`);
  return broken(
    `port ${port} is held by ${await holder(port)}: npm start cannot listen there`,
    `stop that, or npm start -- --port ${portAfter(port)}`,
  );
}

async function inspectorFinding(port: number): Promise<Finding> {
  const name = `port ${port} (inspector)`;
  if (await isPortFree(port)) return ok(`${name} is free`);
  const who = await holder(port);
  if (who.startsWith("workerd")) return ok(`${name} is held by ${who}: npm start, or another Worker`);
  return warning(
    `${name} is held by ${who}: wrangler uses another one`,
    "nothing, unless you debug: wrangler then prints the inspector's port",
  );
}

async function isOurWorker(port: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(healthTimeoutMs);
    const response = await fetch(`http://${localHost}:${port}/healthz`, { signal });
    // Other servers answer /healthz too, but not with this header.
    const policy = response.headers.get("Content-Security-Policy") ?? "";
    return policy.startsWith("default-src 'none'") && (await response.text()).includes('"status":"ok"');
  } catch {
    return false;
  }
}

/** Uses lsof, which may be missing, and which sees only the user's own processes. */
async function holder(port: number): Promise<string> {
  const args = ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"];
  const { stdout } = await promisify(execFile)("lsof", args).catch(() => ({ stdout: "" }));
  const [, pid, name = "a process"] = /^p(\d+)$[\s\S]*?^c(.+)$/m.exec(stdout) ?? [];
  return pid === undefined ? "another program" : `${name} (process ${pid})`;
}
