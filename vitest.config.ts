import path from "node:path";
import { defineConfig } from "vitest/config";

// Many tests start a command of the project, and half of its time is compiling.
process.env.NODE_COMPILE_CACHE ??= path.join(import.meta.dirname, "node_modules", ".cache", "node-compile");

/** By default Vitest leaves one core idle, so on two cores it would run one file at a time. */
const everyCore = { maxWorkers: "100%" };
const workerTests = (...names: string[]) => names.map((name) => `test/worker/${name}.test.ts`);
/** These measure the isolate's memory or overload the Worker, so nothing else may run. */
const alone = workerTests("memory", "overload");
/** A minute or more each, so they run with `npm run test:long` only. */
const long = workerTests("soak", "docs", "fuzz", "attacks", "decode-churn", "killed-pushes");
/** These measure the ONNX Runtime of their process from its start. */
const ownProcess = ["test/model/runtime.test.ts", "test/model/runtime-restart.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        // Each file starts its own workerd. This project is first, because it has the longest files. Its files share
        // processes, as those of the unit tests do, because importing wrangler takes seconds.
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          exclude: [...alone, ...long],
          isolate: false,
          ...everyCore,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Runs in Chromium, which the tests install if it is missing.
        test: {
          name: "page",
          include: ["test/page/**/*.test.ts"],
          ...everyCore,
          testTimeout: 120_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/worker/**", "test/page/**", ...ownProcess],
          isolate: false,
          ...everyCore,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      { test: { name: "process", include: ownProcess, ...everyCore, testTimeout: 120_000 } },
      {
        test: {
          name: "alone",
          include: alone,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "long",
          include: long,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
