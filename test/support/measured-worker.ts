/**
 * The built Worker under `wrangler dev`, whose inspector reports the isolate's memory. workerd does not enforce 128 MB
 * locally, so tests add up the memory themselves.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectFolder } from "../../cli/store/local-bucket.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { seedPack } from "../../cli/workerd/bundle.ts";
import { DevWorker, type HeapUsage } from "../../cli/workerd/dev-worker.ts";

export type { HeapUsage } from "../../cli/workerd/dev-worker.ts";

export class MeasuredWorker {
  readonly #worker: DevWorker;

  private constructor(worker: DevWorker) {
    this.#worker = worker;
  }

  /** @param packFolder the pack to serve, which is put into this Worker's own bucket */
  static async start(
    packFolder: string,
    vars: Record<string, string | number> = {},
  ): Promise<MeasuredWorker> {
    const { manifest } = await readLocalPack(packFolder);
    const bundle = { folder: path.join(projectFolder, "dist"), script: "index.js" };
    const stateFolder = await mkdtemp(path.join(tmpdir(), "edge-resnet-state-"));
    try {
      await seedPack(stateFolder, packFolder);
      const options = { bundle, stateFolder, vars: { MODEL_NAME: manifest.name, ...vars } };
      return new MeasuredWorker(await DevWorker.start(options));
    } finally {
      await rm(stateFolder, { recursive: true, force: true });
    }
  }

  get url(): string {
    return this.#worker.url;
  }

  /** Returns the Worker's log lines of one event. */
  logs(event: string): Promise<Record<string, unknown>[]> {
    return this.#worker.logs(event);
  }

  classify(body: Uint8Array, query = ""): Promise<Response> {
    return fetch(`${this.url}/v1/classify${query}`, { method: "POST", body: body as BodyInit });
  }

  /** Reads the inspector's Runtime.getHeapUsage, which answers only between synchronous work. */
  heapUsage(): Promise<HeapUsage> {
    return this.#worker.heapUsage();
  }

  /** Returns the peak resident bytes of the Worker's process (VmHWM). Linux only. */
  async peakProcessBytes(): Promise<number> {
    return (await this.#worker.peakProcessBytes()) ?? Number.NaN;
  }

  close(): Promise<void> {
    return this.#worker.close();
  }
}
