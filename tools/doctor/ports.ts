/** The ports of `npm start`: free, or who holds them. */
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { broken, type Finding, ok, type Patient, warning } from "./finding.ts";

const run = promisify(execFile);
const host = "127.0.0.1";
const askTimeoutMs = 2_000;

export async function checkPorts({ port, inspectorPort }: Patient): Promise<Finding[]> {
  return [await serverFinding(port), await inspectorFinding(inspectorPort)];
}

async function serverFinding(port: number): Promise<Finding> {
  if (await isFree(port)) return ok(`port ${port} is free`);
  if (await isOurWorker(port)) return ok(`port ${port}: the Worker runs there already (npm start)`);
  return broken(
    `port ${port} is held by ${await holder(port)}: npm start cannot listen there`,
    `stop that, or npm start -- --port ${port === 65_535 ? 8787 : port + 1}`,
  );
}

async function inspectorFinding(port: number): Promise<Finding> {
  if (await isFree(port)) return ok(`port ${port} (inspector) is free`);
  const who = await holder(port);
  if (/^workerd/.test(who))
    return ok(`port ${port} (inspector) is held by ${who}: npm start, or another Worker`);
  return warning(
    `port ${port} (inspector) is held by ${who}: wrangler takes another one`,
    "nothing, unless you debug: wrangler then prints the inspector's port",
  );
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function isOurWorker(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://${host}:${port}/healthz`, {
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    // The header tells it from other servers that answer /healthz.
    const policy = response.headers.get("Content-Security-Policy") ?? "";
    return policy.startsWith("default-src 'none'") && (await response.text()).includes('"status":"ok"');
  } catch {
    return false;
  }
}

/** As lsof tells it, where there is one and it may look. */
async function holder(port: number): Promise<string> {
  try {
    const { stdout } = await run("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"]);
    const pid = /^p(\d+)$/m.exec(stdout)?.[1];
    const name = /^c(.+)$/m.exec(stdout)?.[1];
    if (pid !== undefined) return `${name ?? "a process"} (process ${pid})`;
  } catch {
    // No lsof here, or none of our own processes.
  }
  return "another program";
}
