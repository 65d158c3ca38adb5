import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** onnxruntime-web's compiled WebAssembly, which is a static import in the Worker. */
export async function compileOrtWasm(): Promise<WebAssembly.Module> {
  const file = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  return WebAssembly.compile(await readFile(file));
}
