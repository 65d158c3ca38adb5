/**
 * A WebAssembly instance under Emscripten's glue code that can be replaced in the same memory. A trap leaves an instance in
 * an unknown state, but the glue stays bound to the exports that it received first. So it receives functions that forward
 * each call to the current instance. A second glue with its own memory would not fit into the isolate: WASM memories never
 * shrink, and the glue keeps the first one for ever.
 */

type Callable = (...args: readonly unknown[]) => unknown;

/** A call by which the glue initialises an instance. */
interface FirstCall {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result: unknown;
}
/** The constructors, then the creation of ORT's environment. */
const firstCalls = 2;

/** An instance whose exports stay valid when it is replaced. */
export class ReplaceableInstance {
  /** Forwards to the current instance's exports: functions, and tables with `get` only. */
  readonly exports: WebAssembly.Exports;
  readonly #module: WebAssembly.Module;
  readonly #imports: WebAssembly.Imports;
  readonly #memory: WebAssembly.Memory;
  readonly #first: FirstCall[] = [];
  #depth = 0;
  #instance: WebAssembly.Instance;

  /** @param memory the imported memory, also part of `imports` */
  constructor(module: WebAssembly.Module, imports: WebAssembly.Imports, memory: WebAssembly.Memory) {
    this.#module = module;
    this.#imports = imports;
    this.#memory = memory;
    this.#instance = new WebAssembly.Instance(module, imports);
    const entries = Object.entries(this.#instance.exports).map(([name, value]) => [
      name,
      value instanceof WebAssembly.Table ? this.#table(name) : this.#function(name),
    ]);
    this.exports = Object.fromEntries(entries) as WebAssembly.Exports;
  }

  /**
   * Starts again: clears the memory, whose size stays, creates another instance and repeats the first calls. All pointers
   * into the memory become invalid.
   * @throws Error if the module cannot be initialised again
   */
  replace(): void {
    if (this.#first.length < firstCalls)
      throw new Error("it cannot be replaced before its first initialisation");
    new Uint8Array(this.#memory.buffer).fill(0);
    this.#instance = new WebAssembly.Instance(this.#module, this.#imports);
    for (const { name, args, result } of this.#first) {
      const again = this.#call(name, args);
      if (again !== result)
        throw new Error(`${name} returned ${String(again)}; expected ${String(result)}, as the first time`);
    }
  }

  #call(name: string, args: readonly unknown[]): unknown {
    return (this.#instance.exports[name] as Callable)(...args);
  }

  /** Forwards calls to the function that `find` returns for the current instance. */
  #forward(find: (exports: WebAssembly.Exports) => unknown): Callable {
    let owner: WebAssembly.Instance | undefined;
    let current: Callable;
    return (...args) => {
      if (owner !== this.#instance) {
        owner = this.#instance;
        current = find(owner.exports) as Callable;
      }
      return current(...args);
    };
  }

  #function(name: string): Callable {
    const call = this.#forward((exports) => exports[name]);
    return (...args) => {
      if (this.#first.length >= firstCalls || this.#depth > 0) return call(...args);
      // Records only the glue's own calls, not the calls that they cause.
      this.#depth++;
      try {
        const result = call(...args);
        this.#first.push({ name, args, result });
        return result;
      } finally {
        this.#depth--;
      }
    };
  }

  /** The glue keeps the functions that it gets from a table and calls them thousands of times per run. */
  #table(name: string): Pick<WebAssembly.Table, "get"> {
    return { get: (index) => this.#forward((exports) => (exports[name] as WebAssembly.Table).get(index)) };
  }
}
