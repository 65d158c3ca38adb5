/** A built Worker in a workerd of its own, under `wrangler dev`, whose inspector tells the isolate's memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { offlineEnv } from "../../store/local-bucket.ts";
import { readProjectConfig } from "../../store/platform-config.ts";
import { cpuMs, descendants, peakResidentBytes } from "../processes.ts";
import { type Bundle, wranglerCli } from "./bundle.ts";
import { type HeapUsage, Inspector } from "./inspector.ts";

export interface DevWorkerOptions {
  readonly bundle: Bundle;
  /** Folder with the local storage to start from; it is copied, so that no cache outlives the Worker. */
  readonly stateFolder: string;
  readonly vars: Readonly<Record<string, string | number>>;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;

export class DevWorker {
  readonly url: string;
  readonly inspectorPort: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #lines: string[];

  private constructor(
    child: ChildProcess,
    folder: string,
    ports: { http: number; inspector: number },
    lines: string[],
  ) {
    this.#child = child;
    this.#folder = folder;
    this.#lines = lines;
    this.inspectorPort = ports.inspector;
    this.url = `http://127.0.0.1:${ports.http}`;
  }

  /** Resolves when /healthz answers: the script has been evaluated, nothing more. */
  static async start({ bundle, stateFolder, vars }: DevWorkerOptions): Promise<DevWorker> {
    const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-worker-"));
    const persistTo = path.join(folder, "state");
    await cp(stateFolder, persistTo, { recursive: true });
    const ports = { http: await freePort(), inspector: await freePort() };
    const config = path.join(folder, "wrangler.json");
    await writeFile(config, JSON.stringify(builtConfig(bundle, vars)));
    const options = {
      config,
      port: ports.http,
      "inspector-port": ports.inspector,
      ip: "127.0.0.1",
      "persist-to": persistTo,
      "show-interactive-dev-session": false,
    };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(process.execPath, [wranglerCli, "dev", ...args], {
      cwd: folder,
      env: { ...process.env, ...offlineEnv },
      stdio: ["ignore", "pipe", "pipe"],
    });
    // Whoever starts it may die in between: no workerd is to outlive it.
    const stop = () => void child.kill("SIGINT");
    process.once("exit", stop);
    child.once("exit", () => process.off("exit", stop));
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data: Buffer) => void lines.push(...String(data).split("\n")));
    }
    const worker = new DevWorker(child, folder, ports, lines);
    try {
      await worker.#answers();
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  /** The Worker's structured log lines of one event. */
  async logs(event: string): Promise<Record<string, unknown>[]> {
    // Lines travel through a pipe: those of an answered request may come after the answer.
    await new Promise((resolve) => setTimeout(resolve, 100));
    return this.#lines
      .filter((line) => line.startsWith('{"event":'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line.event === event);
  }

  async heapUsage(): Promise<HeapUsage> {
    const inspector = await Inspector.connect(this.inspectorPort);
    try {
      return await inspector.heapUsage();
    } finally {
      inspector.close();
    }
  }

  /** Most resident bytes that the Worker's process has had. Linux only. */
  async peakProcessBytes(): Promise<number | undefined> {
    const pid = await this.#workerPid();
    return pid === undefined ? undefined : peakResidentBytes(pid);
  }

  /** CPU that the Worker's process has had, all its threads. Linux only. */
  async cpuMs(): Promise<number | undefined> {
    const pid = await this.#workerPid();
    return pid === undefined ? undefined : cpuMs(pid);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGINT");
      const insist = setTimeout(() => this.#child.kill("SIGKILL"), stopTimeoutMs);
      await exited;
      clearTimeout(insist);
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      const response = await fetch(`${this.url}/healthz`).catch(() => undefined);
      if (response?.ok) return;
      if (Date.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(`wrangler dev does not answer:\n${this.#lines.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #workerPid(): Promise<number | undefined> {
    const pids = await descendants(this.#child.pid ?? 0, "workerd");
    const peaks = await Promise.all(
      pids.map(async (pid) => ({ pid, bytes: (await peakResidentBytes(pid)) ?? 0 })),
    );
    // wrangler runs a second workerd, its proxy, which is the smaller one.
    return peaks.sort((a, b) => b.bytes - a.bytes)[0]?.pid;
  }
}

/** wrangler.toml for a bundle that is built already. */
function builtConfig({ folder, script }: Bundle, vars: DevWorkerOptions["vars"]) {
  const project = readProjectConfig() as ReturnType<typeof readProjectConfig> & {
    compatibility_flags?: string[];
  };
  return {
    name: project.name,
    main: path.join(folder, script),
    base_dir: folder,
    no_bundle: true,
    rules: [{ type: "CompiledWasm", globs: ["*.wasm"] }],
    compatibility_date: project.compatibility_date,
    compatibility_flags: project.compatibility_flags,
    r2_buckets: project.r2_buckets,
    vars: { ...project.vars, ...vars },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
