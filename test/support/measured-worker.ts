/**
 * The built Worker under `wrangler dev`, whose inspector tells the isolate's memory. workerd does not enforce 128 MB
 * locally: tests add it up themselves.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { offlineEnv, projectFolder, withLocalBucket } from "../../tools/store/local-bucket.ts";
import { type LocalPack, readLocalPack } from "../../tools/store/local-pack.ts";
import { readProjectConfig } from "../../tools/store/platform-config.ts";
import { pushPack } from "../../tools/store/push.ts";
import { silentProgress } from "../../tools/terminal/progress.ts";

export interface HeapUsage {
  /** Bytes of live and not yet collected JS objects. */
  readonly usedSize: number;
  /** Bytes of ArrayBuffers, WebAssembly memories excluded. */
  readonly backingStorageSize: number;
}

export class MeasuredWorker {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #inspectorPort: number;
  readonly #lines: string[];

  private constructor(
    child: ChildProcess,
    folder: string,
    ports: { http: number; inspector: number },
    lines: string[],
  ) {
    this.#child = child;
    this.#folder = folder;
    this.#inspectorPort = ports.inspector;
    this.#lines = lines;
    this.url = `http://127.0.0.1:${ports.http}`;
  }

  /** @param packFolder the pack to serve, put into a bucket of this Worker's own */
  static async start(
    packFolder: string,
    vars: Record<string, string | number> = {},
  ): Promise<MeasuredWorker> {
    const pack = await readLocalPack(packFolder);
    const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-"));
    const persistTo = path.join(folder, "state");
    await withLocalBucket((bucket) => pushPack(bucket, pack, silentProgress), { persistTo });
    const ports = { http: await freePort(), inspector: await freePort() };
    const config = path.join(folder, "wrangler.json");
    await writeFile(config, JSON.stringify(builtConfig(pack, vars)));
    const cli = path.join(projectFolder, "node_modules", "wrangler", "bin", "wrangler.js");
    const options = [
      "--port",
      `${ports.http}`,
      "--inspector-port",
      `${ports.inspector}`,
      "--ip",
      "127.0.0.1",
    ];
    const child = spawn(
      process.execPath,
      [
        cli,
        "dev",
        "-c",
        config,
        ...options,
        "--persist-to",
        persistTo,
        "--show-interactive-dev-session=false",
      ],
      { cwd: folder, env: { ...process.env, ...offlineEnv }, stdio: ["ignore", "pipe", "pipe"] },
    );
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data: Buffer) => void lines.push(...String(data).split("\n")));
    }
    const worker = new MeasuredWorker(child, folder, ports, lines);
    await worker.#answers();
    return worker;
  }

  /** The Worker's structured log lines of one event. */
  async logs(event: string): Promise<Record<string, unknown>[]> {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return this.#lines
      .filter((line) => line.startsWith('{"event":'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line.event === event);
  }

  classify(body: Uint8Array, query = ""): Promise<Response> {
    return fetch(`${this.url}/v1/classify${query}`, { method: "POST", body: body as BodyInit });
  }

  /** By the inspector's Runtime.getHeapUsage; it answers between synchronous work only. */
  async heapUsage(): Promise<HeapUsage> {
    const headers = { Origin: "http://127.0.0.1" };
    const socket = new WebSocket(`ws://127.0.0.1:${this.#inspectorPort}/ws`, {
      headers,
    } as unknown as string[]);
    try {
      await new Promise((resolve, reject) => {
        socket.addEventListener("open", resolve, { once: true });
        socket.addEventListener("error", () => reject(new Error("the inspector refuses the connection")), {
          once: true,
        });
      });
      return (await call(socket, 1, "Runtime.getHeapUsage")) as HeapUsage;
    } finally {
      socket.close();
    }
  }

  /** Most resident bytes that the Worker's process has had: VmHWM. Linux only. */
  async peakProcessBytes(): Promise<number> {
    const peaks = (await this.#workerdPids()).map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    });
    // wrangler runs a second workerd, its proxy, which is the smaller one.
    return Math.max(...(await Promise.all(peaks)));
  }

  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGINT");
    await exited;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const response = await fetch(`${this.url}/healthz`).catch(() => undefined);
      if (response?.ok) return;
      if (Date.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(`wrangler dev does not answer:\n${this.#lines.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #workerdPids(): Promise<number[]> {
    const processes = new Map<number, { parent: number; command: string }>();
    for (const entry of await readdir("/proc")) {
      const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => "");
      const fields = /^(\d+) \((.*)\) \S (\d+)/.exec(stat);
      if (fields) processes.set(Number(fields[1]), { command: fields[2] ?? "", parent: Number(fields[3]) });
    }
    const descends = (pid: number | undefined): boolean =>
      pid !== undefined && (pid === this.#child.pid || descends(processes.get(pid)?.parent));
    return [...processes]
      .filter(([pid, { command }]) => command === "workerd" && descends(pid))
      .map(([pid]) => pid);
  }
}

/** wrangler.toml for the bundle that is in dist already. */
function builtConfig(pack: LocalPack, vars: Record<string, string | number>) {
  const project = readProjectConfig() as ReturnType<typeof readProjectConfig> & {
    compatibility_flags?: string[];
  };
  const dist = path.join(projectFolder, "dist");
  return {
    name: project.name,
    main: path.join(dist, "index.js"),
    base_dir: dist,
    no_bundle: true,
    rules: [{ type: "CompiledWasm", globs: ["*.wasm"] }],
    compatibility_date: project.compatibility_date,
    compatibility_flags: project.compatibility_flags,
    r2_buckets: project.r2_buckets,
    vars: { ...project.vars, MODEL_NAME: pack.manifest.name, ...vars },
  };
}

function call(socket: WebSocket, id: number, method: string): Promise<unknown> {
  return new Promise((resolve) => {
    const onMessage = ({ data }: MessageEvent) => {
      const message = JSON.parse(String(data)) as { id?: number; result?: unknown };
      if (message.id !== id) return;
      socket.removeEventListener("message", onMessage);
      resolve(message.result);
    };
    socket.addEventListener("message", onMessage);
    socket.send(JSON.stringify({ id, method }));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
