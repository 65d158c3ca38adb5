/** A soak of seconds: its traffic meets the real Worker, and the two keep the same books. */
import path from "node:path";
import { expect, test } from "vitest";
import { attackNames } from "../../tools/soak/attacks/attacks.ts";
import { answers, total } from "../../tools/soak/measure/ledger.ts";
import { runSoak } from "../../tools/soak/run.ts";
import { faults } from "../../tools/soak/verdict.ts";
import { projectFolder } from "../../tools/store/local-bucket.ts";

test("every answer is right and every request accounted for, under traffic and over what the Worker can take", async () => {
  const stages = new Set<string>();
  const results = await runSoak({
    minutes: 0.1,
    concurrency: 8,
    seed: 3,
    signal: new AbortController().signal,
    bundle: { folder: path.join(projectFolder, "dist"), script: "index.js" },
    onStep: () => {},
    onProgress: (stage) => stages.add(stage),
  });
  // What a busy machine may do: too slow a sender does not overload.
  expect(faults(results).filter((fault) => !fault.includes("nothing was refused"))).toEqual([]);
  const sum = total(results.sustained.tallies);
  expect(answers(sum)).toBeGreaterThan(20);
  expect(sum.sent).toBe(answers(sum) + sum.brokenOff);
  expect(sum.answered["200"]).toBeGreaterThan(10);
  expect(results.overload?.stretches.length).toBeGreaterThan(0);
  expect(results.sustained.memoryByMinute[0]?.peak.ortBytes).toBeGreaterThan(20 * 2 ** 20);
  expect([...stages]).toEqual(["sustained", ...attackNames, "overload"]);
});
