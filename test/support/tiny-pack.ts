/** A pack of three shards for tests of loading with FakeRuntime. Its bytes are not ONNX. */
import { createHash } from "node:crypto";
import type { Manifest } from "../../src/model/manifest.ts";
import { manifestVersion } from "../../src/model/manifest.ts";
import type { Runtime, Session, Tensor } from "../../src/model/runtime.ts";
import type { MemoryBucket } from "./memory-bucket.ts";

export const tinyName = "tiny";
const chain = ["data", "a", "b"];

export async function tinyManifest(overrides: Partial<Manifest> = {}): Promise<Manifest> {
  const labels = tinyLabels();
  const content = {
    format: 1,
    name: tinyName,
    source: { file: "tiny.onnx", bytes: 1, sha256: sha256("tiny"), licence: "Apache-2.0" },
    input: { name: "data", shape: [1, 3, 2, 2] },
    preprocessing: {
      resize: "shortest-edge",
      size: 2,
      crop: 2,
      interpolation: "bilinear",
      color: "RGB",
      mean: [0.5, 0.5, 0.5],
      std: [1, 1, 1],
    },
    classes: 2,
    labels: { file: "labels.json", bytes: labels.length, sha256: sha256(labels) },
    outputs: { logits: "logits", features: "features" },
    feature_size: 3,
    precision: "int8",
    quantisation: null,
    shards: chain.map((input, i) => ({
      file: `shard-0${i}.onnx`,
      bytes: shardBytes(i).length,
      sha256: sha256(shardBytes(i)),
      inputs: [input],
      outputs: i === 2 ? ["logits", "features"] : [chain[i + 1]],
    })),
    ...overrides,
  };
  return { ...content, version: await manifestVersion(content) } as Manifest;
}

/** Puts the pack into the bucket and makes it live. */
export async function seedTinyPack(
  bucket: MemoryBucket,
  overrides: Partial<Manifest> = {},
): Promise<Manifest> {
  const manifest = await tinyManifest(overrides);
  const folder = `${tinyName}/${manifest.version}`;
  for (const i of chain.keys()) bucket.objects.set(`${folder}/shard-0${i}.onnx`, shardBytes(i));
  bucket.objects.set(`${folder}/labels.json`, tinyLabels());
  bucket.json(`${folder}/manifest.json`, manifest);
  bucket.json(`${tinyName}/current.json`, {
    format: 1,
    name: tinyName,
    version: manifest.version,
    history: [{ version: manifest.version, pushed_at: "2026-01-01T00:00:00Z" }],
  });
  return manifest;
}

function tinyLabels(): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify([
      { id: "no", label: "no" },
      { id: "yes", label: "yes" },
    ]),
  );
}

function shardBytes(i: number): Uint8Array {
  return new Uint8Array(100 + i).fill(i);
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Counts live sessions, and fails or waits where a test sets that. Logits are [sum of the input, 1]. */
export class FakeRuntime implements Runtime {
  liveSessions = 0;
  createdSessions = 0;
  beforeCreate: (shard: number) => Promise<void> = async () => {};
  beforeRun: () => Promise<void> = async () => {};
  beforeWarmUp: (shard: number) => Promise<void> = async () => {};
  beforeRelease: () => Promise<void> = async () => {};

  starts = 1;

  async start(): Promise<void> {}

  async createSession(model: Uint8Array): Promise<Session> {
    const shard = model[0] ?? -1;
    await this.beforeCreate(shard);
    this.liveSessions++;
    this.createdSessions++;
    return {
      inputNames: [chain[shard] ?? "?"],
      outputNames: shard === 2 ? ["logits", "features"] : [chain[shard + 1] ?? "?"],
      run: async (feeds) => {
        await this.beforeRun();
        const sum = Object.values(feeds)[0] as Tensor;
        if (shard < 2) return { [chain[shard + 1] as string]: sum };
        const total = (sum.data as Float32Array).reduce((a, b) => a + b, 0);
        return {
          logits: this.float32(new Float32Array([total, 1]), [1, 2]),
          features: this.float32(new Float32Array(3), [1, 3]),
        };
      },
      warmUp: () => this.beforeWarmUp(shard),
      release: async () => {
        await this.beforeRelease();
        this.liveSessions--;
      },
    };
  }

  float32(data: Float32Array, dims: readonly number[]): Tensor {
    return { data, dims, type: "float32" } as unknown as Tensor;
  }

  heapBytes(): number {
    return this.createdSessions * 1024;
  }
}
