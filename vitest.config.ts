import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/worker/**", "test/page/**"],
          testTimeout: 60_000,
          // Vitest would leave one core idle, which on two cores means one file at a time.
          maxWorkers: "100%",
        },
      },
      {
        // In a browser, which is installed where it is missing.
        test: {
          name: "page",
          include: ["test/page/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 600_000,
        },
      },
      {
        // Each file drives a workerd of its own; two at once would share two cores.
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
