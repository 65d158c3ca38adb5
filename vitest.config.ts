import { defineConfig } from "vitest/config";

/** Vitest would leave one core idle, which on two cores means one file at a time. */
const everyCore = { maxWorkers: "100%" };
/** These measure the isolate's memory, or what a Worker does when it has more than it can take. */
const alone = ["memory", "soak", "overload"].map((name) => `test/worker/${name}.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        // Each file drives a workerd of its own. First, because the longest files are among them.
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          exclude: alone,
          ...everyCore,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // In a browser, which is installed where it is missing.
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
    ],
  },
});
