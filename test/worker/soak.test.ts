/** A soak test of a few seconds. The clients and the real Worker must count the same answers. Times do not matter. */
import path from "node:path";
import { expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import type { AttackName } from "../soak/attacks.ts";
import { answers, total } from "../soak/ledger.ts";
import { runSoak } from "../soak/run.ts";
import { faults } from "../soak/verdict.ts";

/** overload.test.ts, attacks.test.ts and inputs.test.ts have short versions of the other attacks. */
const attacks: readonly AttackName[] = ["slow clients", "slow readers"];

test("under traffic, attack and overload, every answer is right and every request is counted; afterwards nothing is held", async () => {
  const stages = new Set<string>();
  const results = await runSoak({
    minutes: 0.1,
    concurrency: 8,
    seed: 3,
    signal: new AbortController().signal,
    attacks,
    bundle: { folder: path.join(projectFolder, "dist"), script: "index.js" },
    onStep: () => {},
    onProgress: (stage) => stages.add(stage),
  });
  // On a busy machine the sender may be too slow to overload the Worker.
  expect(faults(results).filter((fault) => !fault.includes("nothing was refused"))).toEqual([]);
  const sum = total(results.sustained.tallies);
  expect(answers(sum)).toBeGreaterThan(20);
  expect(sum.sent).toBe(answers(sum) + sum.brokenOff);
  expect(sum.answered["200"]).toBeGreaterThan(10);
  expect(results.overload?.stretches.length).toBeGreaterThan(0);
  expect(results.sustained.memoryByMinute[0]?.peak.ortBytes).toBeGreaterThan(20 * 2 ** 20);
  expect([...stages]).toEqual(["sustained", ...attacks, "overload"]);
}, 240_000);
