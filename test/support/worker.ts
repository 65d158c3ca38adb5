/**
 * The built Worker in workerd: the bundle of `wrangler deploy --dry-run`, with a local R2 bucket. `npm test` builds it
 * first.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createTestHarness } from "wrangler";
import type { PackBucket } from "../../cli/store/bucket.ts";
import { type LocalPack, packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { offlineEnv, projectFolder } from "../../cli/store/project.ts";
import { pushPack } from "../../cli/store/push.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { smallPack, smallPackName } from "./small-pack.ts";

export const embeddedModel = defaultModelName;
export const embeddedPack = () => readLocalPack(path.join(packsFolder, embeddedModel));
/** The pack that a TestWorker serves unless told otherwise. */
export const servedModel = smallPackName;
export const servedPack = smallPack;
export const exampleImage = async (name: string) =>
  new Uint8Array(await readFile(path.join(projectFolder, "examples", "images", `${name}.jpg`)));

export type TestBucket = PackBucket & { delete(key: string): Promise<void> };
type Json = Record<string, unknown>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Json;
}

export class TestWorker {
  readonly #server: ReturnType<typeof createTestHarness>;
  readonly url: URL;
  readonly bucket: TestBucket;

  private constructor(server: ReturnType<typeof createTestHarness>, url: URL, bucket: TestBucket) {
    this.#server = server;
    this.url = url;
    this.bucket = bucket;
  }

  /** Starts a new isolate with its own bucket, which is empty or has the pack live. */
  static async start(
    options: {
      vars?: Record<string, string | number>;
      seeded?: boolean;
      /** The small pack by default, because it loads and runs in milliseconds. */
      pack?: "small" | "embedded";
      configPath?: string;
      /** Build the configuration's `main` instead of running the bundle in dist/. */
      fromSource?: boolean;
      /** Other Workers to start with it, by the paths of their wrangler.toml. */
      others?: readonly string[];
    } = {},
  ): Promise<TestWorker> {
    if (!existsSync(path.join(projectFolder, "dist", "index.js"))) {
      throw new Error("dist/index.js is missing; run `npm run build` first, or `npm test`, which does");
    }
    Object.assign(process.env, offlineEnv);
    const isEmbedded = options.pack === "embedded";
    const worker = {
      configPath: options.configPath ?? "wrangler.toml",
      ...(options.fromSource ? {} : { prebuiltWorkerDir: "dist" }),
      vars: { MODEL_NAME: isEmbedded ? embeddedModel : servedModel, ...options.vars },
    };
    const others = (options.others ?? []).map((configPath) => ({ configPath }));
    const server = createTestHarness({ root: projectFolder, workers: [worker, ...others] });
    const { url } = await server.listen();
    const { MODELS } = await server.getWorker<{ MODELS: TestBucket }>().getEnv();
    const test = new TestWorker(server, url, MODELS);
    if (options.seeded ?? true) await test.seed(isEmbedded ? await embeddedPack() : await servedPack());
    return test;
  }

  /** Returns a binding of the Worker. */
  async binding<T>(name: string): Promise<T> {
    return (await this.#server.getWorker<Record<string, T>>().getEnv())[name] as T;
  }

  async seed(pack: LocalPack): Promise<void> {
    await pushPack(this.bucket, pack, silentProgress);
  }

  async get(pathname: string, init: RequestInit = {}): Promise<Answer> {
    return answerOf(await fetch(new URL(pathname, this.url), init));
  }

  /** Sends a request to one of the other Workers, by the name in its wrangler.toml. */
  async ask(name: string, pathname: string, init: RequestInit = {}): Promise<Answer> {
    return answerOf(await this.askRaw(name, pathname, init));
  }

  async askRaw(name: string, pathname: string, init: RequestInit = {}): Promise<Response> {
    const other = this.#server.getWorker(name) as unknown as { fetch: typeof fetch };
    return other.fetch(new URL(pathname, "http://localhost"), init);
  }

  async classify(
    body: Uint8Array | string,
    query = "",
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.get(`/v1/classify${query}`, { method: "POST", body: body as BodyInit, headers });
  }

  /** Returns the Worker's log lines of one event. */
  async logs(event: string): Promise<Json[]> {
    // The log is a pipe, so the lines of a request may arrive after its response.
    await new Promise((resolve) => setTimeout(resolve, 50));
    return this.#server
      .getLogs()
      .map(({ message }) => parse(message))
      .filter((line) => line.event === event);
  }

  /** Starts a new isolate of the same Worker, with more variables. R2 and the Cache API keep their contents. */
  async restart(vars: Record<string, string> = {}): Promise<void> {
    await this.#server.update(({ workers: [worker, ...others], ...options }) => {
      if (!worker || !("configPath" in worker)) throw new Error("expected the Worker's configuration file");
      return { ...options, workers: [{ ...worker, vars: { ...worker.vars, ...vars } }, ...others] };
    });
  }

  /** Returns what the requests of the isolate hold, as /readyz reports it. */
  async inFlight(): Promise<Json> {
    return (await this.get("/readyz")).json.in_flight as Json;
  }

  clearLogs(): void {
    this.#server.clearLogs();
  }

  async close(): Promise<void> {
    await this.#server.close();
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}
