/** More moments at which a push is killed than model-cli.test.ts has. Each takes seconds. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { PushedPacks, putsOfPush, servedVersion } from "../support/pushed-packs.ts";
import { runProgram } from "../support/run-program.ts";

let pushed: PushedPacks;
let persistTo: string;
const push = () => runProgram("model", ["push", v(2).folder, "--json", "--persist-to", persistTo]);
const v = (i: number) => pushed.packs[i]!;

beforeAll(async () => {
  pushed = await PushedPacks.create();
});
afterAll(() => pushed.remove());
beforeEach(async () => {
  persistTo = await pushed.bucket();
});

test.each(Array.from({ length: putsOfPush - 1 }, (_, i) => i + 1))(
  "a push that is killed after %i uploads: the live version still serves, and the next push uploads only the rest",
  async (cut) => {
    expect(await pushed.killedPush(persistTo, cut)).toMatchObject({ signal: "SIGKILL" });
    expect(await servedVersion(persistTo)).toBe(v(1).version);
    expect(JSON.parse((await push()).stdout)).toMatchObject({
      uploaded: 5 - cut,
      skipped: cut,
      replaced: v(1).version,
    });
    expect(await servedVersion(persistTo)).toBe(v(2).version);
  },
);

test("the push command that is killed at any moment of an upload: the live version is complete", async () => {
  for (const delayMs of [0, 10, 20, 40]) {
    const { signal } = await pushed.interruptedPush(persistTo, delayMs);
    const versions = [v(1).version, v(2).version];
    expect(versions, `killed after ${delayMs} ms (${signal})`).toContain(await servedVersion(persistTo));
  }
  expect((await push()).code).toBe(0);
  expect(await servedVersion(persistTo)).toBe(v(2).version);
});
