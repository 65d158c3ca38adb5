/**
 * A WebAssembly instance under Emscripten's glue that can be made anew in the same memory. A trap leaves an instance in
 * an unknown state, and the glue, once evaluated, is bound to the exports that it was given; so it is given functions
 * that pass each call on to the instance of the day. A second glue with a memory of its own would not fit the isolate:
 * WASM memories never shrink, and the glue keeps the first one for good. Pure.
 */

type Callable = (...args: readonly unknown[]) => unknown;

/** A call that the glue makes to bring up a new instance: the constructors, then ORT's environment. */
interface FirstCall {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result: unknown;
}
const firstCalls = 2;

export class ReplaceableInstance {
  /** In place of the instance's own exports: functions, and tables of which `get` alone may be used. */
  readonly exports: WebAssembly.Exports;
  readonly #module: WebAssembly.Module;
  readonly #imports: WebAssembly.Imports;
  readonly #memory: WebAssembly.Memory;
  readonly #first: FirstCall[] = [];
  #depth = 0;
  #instance: WebAssembly.Instance;

  /** @param memory the imported one, among `imports` */
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
   * Begins anew: memory as at the start (its size stays), another instance, the same first calls. What pointed into the
   * memory before is void. Throws when the module cannot be brought up again.
   */
  replace(): void {
    if (this.#first.length < firstCalls) throw new Error("it had not been brought up before");
    new Uint8Array(this.#memory.buffer).fill(0);
    this.#instance = new WebAssembly.Instance(this.#module, this.#imports);
    for (const { name, args, result } of this.#first) {
      const again = this.#call(name, args);
      if (again !== result)
        throw new Error(`${name} gave ${String(again)}; the first time ${String(result)}`);
    }
  }

  #call(name: string, args: readonly unknown[]): unknown {
    return (this.#instance.exports[name] as Callable)(...args);
  }

  #function(name: string): Callable {
    let owner: WebAssembly.Instance | undefined;
    let current: Callable;
    return (...args) => {
      if (owner !== this.#instance) {
        owner = this.#instance;
        current = owner.exports[name] as Callable;
      }
      if (this.#first.length >= firstCalls || this.#depth > 0) return current(...args);
      // Only what the glue calls of its own accord counts, not what comes of it.
      this.#depth++;
      try {
        const result = current(...args);
        this.#first.push({ name, args, result });
        return result;
      } finally {
        this.#depth--;
      }
    };
  }

  /** The glue keeps the functions that it gets from a table, and calls them thousands of times a run. */
  #table(name: string): Pick<WebAssembly.Table, "get"> {
    return {
      get: (index) => {
        let owner: WebAssembly.Instance | undefined;
        let entry: Callable;
        return (...args: unknown[]) => {
          if (owner !== this.#instance) {
            owner = this.#instance;
            entry = (owner.exports[name] as WebAssembly.Table).get(index) as Callable;
          }
          return entry(...args);
        };
      },
    };
  }
}
