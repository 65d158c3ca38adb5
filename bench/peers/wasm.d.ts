// A static .wasm import is a compiled module in workerd; wrangler bundles it as such.
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
