import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** onnxruntime-web's WebAssembly, compiled: in the Worker it is a static import. */
export async function compileOrtWasm(): Promise<WebAssembly.Module> {
  const file = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  return WebAssembly.compile(await readFile(file));
}
