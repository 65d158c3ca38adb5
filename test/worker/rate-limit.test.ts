/** The rate-limit binding as wrangler emulates it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestWorker } from "../support/worker.ts";
import { configWith } from "../support/wrangler-config.ts";

const limit = 3;
// Enough requests that one of two neighbouring periods exceeds the limit, whatever the time is.
const tooMany = 2 * limit + 1;
const config = await configWith(
  "rate-limit",
  `[[ratelimits]]\nname = "RATE_LIMITER"\nnamespace_id = "1001"\nsimple = { limit = ${limit}, period = 60 }`,
);
const keys = ["first-key-0123456789", "other-key-0123456789"];
let open: TestWorker;
let locked: TestWorker;

beforeAll(async () => {
  const { configPath } = config;
  open = await TestWorker.start({ configPath });
  locked = await TestWorker.start({ configPath, vars: { API_KEYS: keys.join(",") } });
});

afterAll(async () => {
  await open?.close();
  await locked?.close();
  await config.remove();
});

async function flood(worker: TestWorker, headers: Record<string, string>) {
  const answers = [];
  for (let i = 0; i < tooMany; i++) answers.push(await worker.get("/v1/model", { headers }));
  return answers;
}

test("beyond the limit, requests are 429 with Retry-After", async () => {
  const answers = await flood(open, {});
  expect(answers[0]!.status).toBe(200);
  const refused = answers.find(({ status }) => status === 429)!;
  expect(refused.json).toMatchObject({ code: "rate_limited", status: 429, title: "Too Many Requests" });
  expect(refused.headers.get("Content-Type")).toBe("application/problem+json");
  expect(refused.headers.get("Retry-After")).toBe("60");
});

test("/healthz is never counted", async () => {
  for (let i = 0; i < tooMany; i++) expect((await open.get("/healthz")).status).toBe(200);
});

test("each key has its own limit, and requests without a key are refused before they count", async () => {
  const [first, other] = keys.map((key) => ({ Authorization: `Bearer ${key}` }));
  expect((await flood(locked, {})).map(({ status }) => status)).toEqual(new Array(tooMany).fill(401));
  expect((await flood(locked, first!)).map(({ status }) => status)).toContain(429);
  expect((await locked.get("/v1/model", { headers: other! })).status).toBe(200);
});
