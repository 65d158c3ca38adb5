/**
 * The built Worker under `wrangler dev`, whose inspector reports the isolate's memory. workerd does not enforce 128 MB
 * locally, so tests add up the memory themselves.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, vi } from "vitest";
import { packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { seedPack } from "../../cli/workerd/bundle.ts";
import { DevWorker, type HeapUsage } from "../../cli/workerd/dev-worker.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { readInFlight } from "../soak/phase.ts";

export const MiB = 2 ** 20;

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

  /** Returns the bytes of the isolate: the engines' WASM memory, and with the JS heap and the ArrayBuffers. */
  async isolateBytes(): Promise<{ readonly wasm: number; readonly total: number; readonly text: string }> {
    const ready = (await (await fetch(`${this.url}/readyz`)).json()) as { wasm_heap_bytes: number };
    const wasm = ready.wasm_heap_bytes;
    const { usedSize: js, backingStorageSize: buffers } = await this.heapUsage();
    const total = wasm + js + buffers;
    const mebibytes = Object.entries({ wasm, js, buffers, total }).map(
      ([name, bytes]) => `${name} ${(bytes / MiB).toFixed(1)}`,
    );
    return { wasm, total, text: mebibytes.join(", ") };
  }

  /** Returns the peak resident bytes of the Worker's process (VmHWM). Linux only. */
  async peakProcessBytes(): Promise<number> {
    return (await this.#worker.peakProcessBytes()) ?? Number.NaN;
  }

  close(): Promise<void> {
    return this.#worker.close();
  }
}

/** Starts the Worker with the model that it serves by default, or with the pack in the folder MEMORY_TEST_PACK. */
export function startDefaultModel(vars: Record<string, string | number> = {}): Promise<MeasuredWorker> {
  const pack = process.env.MEMORY_TEST_PACK ?? path.join(packsFolder, defaultModelName);
  return MeasuredWorker.start(pack, vars);
}

/** Waits until no request holds memory. The Worker notices disconnected clients within the idle time of a body. */
export async function expectNothingHeld(url: string | URL): Promise<void> {
  const nothing = { permits: 0, permit_bytes: 0, waiting: 0 };
  await vi.waitFor(async () => expect(await readInFlight(String(url))).toEqual(nothing), {
    timeout: 30_000,
    interval: 200,
  });
}
