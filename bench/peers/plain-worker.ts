/**
 * A Worker written from the documentation of its parts: the model in one file from R2, one session with
 * onnxruntime-web's default options, jpeg-js, and a nearest-neighbour resize. Only the loading of the WebAssembly goes
 * beyond the documentation: workerd refuses to compile it from bytes, and the public API accepts nothing else.
 */
import { decode } from "jpeg-js";
import ortWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm";
import * as ort from "onnxruntime-web/wasm";

interface Env {
  readonly MODELS: { get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null> };
  readonly MODEL_KEY: string;
  /** Height and width of the input. */
  readonly INPUT_SIZE: number;
}

const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];
let loading: Promise<ort.InferenceSession> | undefined;
let memory: WebAssembly.Memory | undefined;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/healthz") return Response.json({ status: "ok" });
    if (pathname === "/readyz") return Response.json({ wasm_heap_bytes: memory?.buffer.byteLength ?? 0 });
    loading ??= load(env);
    const session = await loading;
    if (pathname === "/run") return Response.json({ ms: await timeRuns(session, env, searchParams) });
    const input = toTensor(new Uint8Array(await request.arrayBuffer()), env.INPUT_SIZE);
    const logits = await classify(session, input, env.INPUT_SIZE);
    return Response.json({ predictions: topFive(logits) });
  },
};

async function load(env: Env): Promise<ort.InferenceSession> {
  const object = await env.MODELS.get(env.MODEL_KEY);
  if (!object) throw new Error(`${env.MODEL_KEY} is not in the bucket`);
  const bytes = new Uint8Array(await object.arrayBuffer());
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = new ArrayBuffer(1);
  const original = WebAssembly.instantiate;
  const hook = async (_source: unknown, imports: WebAssembly.Imports) => {
    memory = Object.values(imports)
      .flatMap((namespace) => Object.values(namespace))
      .find((value) => value instanceof WebAssembly.Memory);
    return { module: ortWasm, instance: new WebAssembly.Instance(ortWasm, imports) };
  };
  WebAssembly.instantiate = hook as typeof WebAssembly.instantiate;
  try {
    return await ort.InferenceSession.create(bytes);
  } finally {
    WebAssembly.instantiate = original;
  }
}

/** Returns the milliseconds of each of `times` forward passes on one prepared tensor. */
async function timeRuns(
  session: ort.InferenceSession,
  env: Env,
  options: URLSearchParams,
): Promise<number[]> {
  const input = Float32Array.from({ length: 3 * env.INPUT_SIZE ** 2 }, (_, i) => Math.sin(i));
  const ms: number[] = [];
  for (let i = Number(options.get("times")); i > 0; i--) {
    const startedMs = performance.now();
    await classify(session, input, env.INPUT_SIZE);
    ms.push(performance.now() - startedMs);
  }
  return ms;
}

async function classify(
  session: ort.InferenceSession,
  input: Float32Array,
  size: number,
): Promise<Float32Array> {
  const tensor = new ort.Tensor("float32", input, [1, 3, size, size]);
  const outputs = await session.run({ [session.inputNames[0]!]: tensor });
  return outputs[session.outputNames.at(-1)!]!.data as Float32Array;
}

/** Resizes the middle square by nearest neighbour and normalises it. @returns [3, size, size] */
function toTensor(jpeg: Uint8Array, size: number): Float32Array {
  const { width, height, data } = decode(jpeg, { useTArray: true });
  const side = Math.min(width, height) * (224 / 256);
  const [left, top] = [(width - side) / 2, (height - side) / 2];
  const tensor = new Float32Array(3 * size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const column = Math.floor(left + ((x + 0.5) * side) / size);
      const row = Math.floor(top + ((y + 0.5) * side) / size);
      for (let c = 0; c < 3; c++) {
        const value = data[(row * width + column) * 4 + c]! / 255;
        tensor[(c * size + y) * size + x] = (value - mean[c]!) / std[c]!;
      }
    }
  }
  return tensor;
}

function topFive(logits: Float32Array): { index: number; score: number }[] {
  const max = Math.max(...logits);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - max));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials
    .map((value, index) => ({ index, score: value / sum }))
    .sort((a, b) => b.score - a.score)
    .slice(0, 5);
}
