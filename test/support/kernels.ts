/** The kernels of the SIMD engine, as the Worker imports them. */
import { readFile } from "node:fs/promises";

/** Compiles kernels.wasm. */
export async function compileKernels(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL("../../src/model/simd/kernels.wasm", import.meta.url)));
}
