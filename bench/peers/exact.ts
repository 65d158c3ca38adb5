/** Compares the logits of a pack's shards with those of the same graph in one file, in the runtime that serves. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { nodeRuntime } from "../../cli/pack/evaluate.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { fixedInput } from "./timing.ts";

const inputs = 4;

/** Counts the logits that are not equal bit for bit. */
export async function exact({ packFolder, file }: { packFolder: string; file: string }) {
  const { manifest } = await readLocalPack(packFolder);
  const runtime = await nodeRuntime();
  const read = async (from: string) => new Uint8Array(await readFile(from));
  const readShard = (shard: { file: string }) => read(path.join(packFolder, shard.file));
  const sharded = await ShardedSession.load(manifest, { runtime, readShard });
  const whole = await runtime.createSession(await read(file));
  const bits = (data: Float32Array) => new Uint32Array(data.slice().buffer);
  let [compared, different] = [0, 0];
  for (let i = 0; i < inputs; i++) {
    const input = fixedInput(manifest.preprocessing.crop).map((value) => value * (1 + i / 4));
    const actual = bits((await sharded.run(input)).logits);
    const tensor = runtime.float32(input, manifest.input.shape);
    const outputs = await whole.run({ [manifest.input.name]: tensor });
    const expected = bits(outputs[manifest.outputs.logits]!.data as Float32Array);
    compared += actual.length;
    different += actual.filter((value, j) => value !== expected[j]).length;
  }
  return { compared, different };
}
