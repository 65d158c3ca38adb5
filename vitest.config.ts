import { defineConfig } from "vitest/config";

/** By default Vitest leaves one core idle, so on two cores it would run one file at a time. */
const everyCore = { maxWorkers: "100%" };
const workerTests = (...names: string[]) => names.map((name) => `test/worker/${name}.test.ts`);
/** These measure the isolate's memory or overload the Worker, so nothing else may run. */
const alone = workerTests("memory", "overload");
/** Minutes each, so they run with `npm run test:long` only. */
const long = workerTests("soak", "docs");

export default defineConfig({
  test: {
    projects: [
      {
        // Each file starts its own workerd. This project is first, because it has the longest files.
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          exclude: [...alone, ...long],
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
          exclude: ["test/worker/**", "test/page/**"],
          ...everyCore,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
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
