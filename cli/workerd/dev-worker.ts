/** Runs a built Worker in a workerd process of its own, with `wrangler dev`, and measures its memory and CPU. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { readProjectConfig } from "../store/platform-config.ts";
import { spawnWrangler } from "../store/wrangler-cli.ts";
import { freePort, localHost } from "../terminal/port.ts";
import type { Bundle } from "./bundle.ts";
import { cpuMs, descendants, peakResidentBytes, residentBytes } from "./processes.ts";

/** What to run, and with which bucket and variables. */
export interface DevWorkerOptions {
  readonly bundle: Bundle;
  /** Folder with the local storage to start from. It is copied, so that no cache outlives the Worker. */
  readonly stateFolder: string;
  readonly vars: Readonly<Record<string, string | number>>;
  /** Further settings of wrangler, such as bindings. They replace those of wrangler.toml. */
  readonly settings?: object;
  /** Receives the structured log lines as they come. logs() then returns none. */
  readonly onLog?: (line: Readonly<Record<string, unknown>>) => void;
  /** Ctrl-C in the terminal then stops the caller only, which must close the Worker. */
  readonly ownProcessGroup?: boolean;
}

const logStart = '{"event":';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;

/** A running Worker. Call close() to stop it and delete its storage. */
export class DevWorker {
  readonly url: string;
  readonly inspectorPort: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #output: string[] = [];

  private constructor(
    child: ChildProcess,
    folder: string,
    [port, inspectorPort]: readonly [number, number],
    onLog: DevWorkerOptions["onLog"],
  ) {
    this.#child = child;
    this.#folder = folder;
    this.inspectorPort = inspectorPort;
    this.url = `http://${localHost}:${port}`;
    for (const input of [child.stdout!, child.stderr!]) {
      createInterface({ input }).on("line", (line) => {
        if (onLog && line.startsWith(logStart)) onLog(JSON.parse(line));
        else this.#output.push(line);
      });
    }
  }

  /**
   * Resolves when /healthz answers: the script has been evaluated, and no model is loaded.
   * @throws Error with the output of wrangler when it does not answer
   */
  static async start(options: DevWorkerOptions): Promise<DevWorker> {
    const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-worker-"));
    const persistTo = path.join(folder, "state");
    await cp(options.stateFolder, persistTo, { recursive: true });
    const ports = [await freePort(), await freePort()] as const;
    const config = path.join(folder, "wrangler.json");
    await writeFile(config, JSON.stringify(builtConfig(options)));
    const flags = ["--show-interactive-dev-session=false", `--ip=${localHost}`, `--config=${config}`];
    flags.push(`--port=${ports[0]}`, `--inspector-port=${ports[1]}`, `--persist-to=${persistTo}`);
    const child = spawnWrangler(["dev", ...flags], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      detached: options.ownProcessGroup ?? false,
    });
    // No workerd may outlive the process that started it.
    const stop = () => void child.kill("SIGINT");
    process.once("exit", stop);
    child.once("exit", () => process.off("exit", stop));
    const worker = new DevWorker(child, folder, ports, options.onLog);
    try {
      await worker.#answers();
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  /** Returns the Worker's structured log lines of one event. */
  async logs(event: string): Promise<Record<string, unknown>[]> {
    // Lines come through a pipe, so those of a request may arrive after its answer.
    await sleep(100);
    const lines = this.#output.filter((line) => line.startsWith(logStart));
    return lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
  }

  /** Returns the isolate's JS heap, as the inspector reports it. */
  async heapUsage(): Promise<HeapUsage> {
    const inspector = await Inspector.connect(this.inspectorPort);
    return inspector.heapUsage().finally(() => inspector.close());
  }

  /** The largest resident size that the Worker's process has had, in bytes. Linux only. */
  async peakProcessBytes(): Promise<number | undefined> {
    return peakResidentBytes(await this.#workerPid());
  }

  /** The resident size of the Worker's process, in bytes. Linux only. */
  async processBytes(): Promise<number | undefined> {
    return residentBytes(await this.#workerPid());
  }

  /** CPU time of all threads of the Worker's process so far. Linux only. */
  async cpuMs(): Promise<number | undefined> {
    return cpuMs(await this.#workerPid());
  }

  /** Stops the Worker and deletes its storage. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
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
        throw new Error(`wrangler dev does not answer:\n${this.#output.join("\n")}`);
      }
      await sleep(100);
    }
  }

  /**
   * Finds the Worker's process. wrangler runs a second workerd as its proxy, which is the smaller one.
   * @returns 0 on systems without /proc
   */
  async #workerPid(): Promise<number> {
    let [largest, largestBytes] = [0, 0];
    for (const pid of await descendants(this.#child.pid ?? 0, "workerd")) {
      const bytes = (await peakResidentBytes(pid)) ?? 0;
      if (bytes > largestBytes) [largest, largestBytes] = [pid, bytes];
    }
    return largest;
  }
}

/** The settings of wrangler.toml, for a bundle that is already built. */
function builtConfig({ bundle, vars, settings }: DevWorkerOptions) {
  const project = readProjectConfig();
  const { name, compatibility_date, compatibility_flags, r2_buckets } = project;
  return {
    name,
    compatibility_date,
    compatibility_flags,
    r2_buckets,
    main: path.join(bundle.folder, bundle.script),
    base_dir: bundle.folder,
    no_bundle: true,
    rules: [{ type: "CompiledWasm", globs: ["*.wasm"] }],
    vars: { ...project.vars, ...vars },
    ...settings,
  };
}

/** Sizes that the inspector reports. */
export interface HeapUsage {
  /** Bytes of JS objects, including those that are not collected yet. */
  readonly usedSize: number;
  /** Bytes of ArrayBuffers, without WebAssembly memories. */
  readonly backingStorageSize: number;
}

/** A connection to the inspector of one isolate. It answers only between synchronous work. */
export class Inspector {
  readonly #socket: WebSocket;
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @throws Error when the inspector refuses the connection */
  static async connect(port: number): Promise<Inspector> {
    // wrangler requires an Origin. Node's WebSocket accepts headers in place of the standard's protocols.
    const options = { headers: { Origin: "http://127.0.0.1" } } as unknown as string[];
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, options);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("the inspector refuses the connection"));
    });
    return new Inspector(socket);
  }

  /** Asks for the current sizes. */
  async heapUsage(): Promise<HeapUsage> {
    const id = ++this.#lastId;
    const answered = new AbortController();
    const { signal } = answered;
    const answer = new Promise<HeapUsage>((resolve, reject) => {
      const listen = ({ data }: MessageEvent) => {
        const message = JSON.parse(String(data)) as { id?: number; result: HeapUsage };
        if (message.id === id) resolve(message.result);
      };
      this.#socket.addEventListener("message", listen, { signal });
      const closed = new Error("the inspector closed the connection");
      this.#socket.addEventListener("close", () => reject(closed), { signal });
    });
    this.#socket.send(JSON.stringify({ id, method: "Runtime.getHeapUsage" }));
    return answer.finally(() => answered.abort());
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.close();
  }
}
