/** Loads WebAssembly modules of npm packages in Node. The Worker imports them statically. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const modules = new Map<string, Promise<WebAssembly.Module>>();

/**
 * Compiles a module, once per process.
 * @param specifier As in an import, for example `onnxruntime-web/ort-wasm-simd-threaded.wasm`.
 */
export function compileModule(specifier: string): Promise<WebAssembly.Module> {
  let compiled = modules.get(specifier);
  if (compiled === undefined) {
    const path = fileURLToPath(import.meta.resolve(specifier));
    compiled = readFile(path).then((bytes) => WebAssembly.compile(bytes as BufferSource));
    modules.set(specifier, compiled);
  }
  return compiled;
}
