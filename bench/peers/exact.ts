/** Compares outputs bit for bit: of shards and of the same graph in one file, and of both engines. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { loadSession, nodeEngine, nodeRuntime } from "../../cli/pack/evaluate.ts";
import { readLocalPack } from "../../cli/store/local-pack.ts";
import { ShardedSession } from "../../src/model/sharded-session.ts";
import { fixedInput } from "./timing.ts";

const inputs = 4;

/** Counts the logits of a pack that differ from those of the same graph in one file, in ONNX Runtime Web. */
export async function exact({ packFolder, file }: { packFolder: string; file: string }) {
  const { manifest } = await readLocalPack(packFolder);
  const runtime = await nodeRuntime();
  const read = async (from: string) => new Uint8Array(await readFile(from));
  const readShard = (shard: { file: string }) => read(path.join(packFolder, shard.file));
  const sharded = await ShardedSession.load(manifest, { runtime, readShard });
  const whole = await runtime.createSession(await read(file));
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

/** Counts the logits and features of packs that differ between the SIMD engine and ONNX Runtime Web. */
export async function engines({ packFolders }: { packFolders: readonly string[] }) {
  let [compared, different] = [0, 0];
  const networks: string[] = [];
  for (const folder of packFolders) {
    const { manifest } = await readLocalPack(folder);
    networks.push(manifest.name);
    const read = async (file: string) => new Uint8Array(await readFile(path.join(folder, file)));
    const [ours, theirs] = [
      await loadSession(manifest, read, await nodeEngine("simd")),
      await loadSession(manifest, read, await nodeEngine("onnxruntime")),
    ];
    for (let i = 0; i < inputs; i++) {
      const input = fixedInput(manifest.preprocessing.crop).map((value) => value * (1 + i / 4));
      const [actual, expected] = [await ours.run(input), await theirs.run(input)];
      for (const output of ["logits", "features"] as const) {
        const wanted = bits(expected[output]);
        compared += wanted.length;
        different += bits(actual[output]).filter((value, j) => value !== wanted[j]).length;
      }
    }
    await theirs.release();
  }
  return { networks, compared, different };
}

function bits(data: Float32Array): Uint32Array {
  return new Uint32Array(data.slice().buffer);
}
