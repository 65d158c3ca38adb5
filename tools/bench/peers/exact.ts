/** Logits of a pack's shards against those of the same graph in one file, in the runtime that serves, bit for bit. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ShardedSession } from "../../../src/model/sharded-session.ts";
import { nodeRuntime } from "../../pack/classifiers.ts";
import { readLocalPack } from "../../store/local-pack.ts";
import { fixedInput, peerAnswer, peerArgument } from "./peer-io.ts";

const inputs = 4;

const { packFolder, file } = peerArgument<{ packFolder: string; file: string }>();
const { manifest } = await readLocalPack(packFolder);
const runtime = await nodeRuntime();
const readShard = async (shard: { file: string }) =>
  new Uint8Array(await readFile(path.join(packFolder, shard.file)));
const sharded = await ShardedSession.load(manifest, { runtime, readShard });
const whole = await runtime.createSession(new Uint8Array(await readFile(file)));
const size = manifest.preprocessing.crop;
let [compared, different] = [0, 0];
for (let i = 0; i < inputs; i++) {
  const input = fixedInput(size).map((value) => value * (1 + i / 4));
  const { logits } = await sharded.run(input);
  const tensor = runtime.float32(input, manifest.input.shape);
  const expected = (await whole.run({ [manifest.input.name]: tensor }))[manifest.outputs.logits]!;
  const bits = (data: Float32Array) => new Uint32Array(data.slice().buffer);
  const [actualBits, expectedBits] = [bits(logits), bits(expected.data as Float32Array)];
  compared += actualBits.length;
  different += actualBits.filter((value, j) => value !== expectedBits[j]).length;
}
peerAnswer({ compared, different });
