/** What /readyz and the log report about the memory that requests hold. */
import { beforeEach, expect, test, vi } from "vitest";
import { firstReadBytes, maxInFlightBytes } from "../../src/limits.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack } from "../support/tiny-pack.ts";

let app: TinyApp;
const idle = { permits: 0, permit_bytes: 0, capacity_bytes: maxInFlightBytes, waiting: 0 };

beforeEach(async () => {
  const bucket = new MemoryBucket();
  await seedTinyPack(bucket);
  app = new TinyApp(bucket);
});

async function inFlight() {
  const response = await app.fetch(new Request("http://localhost/readyz"));
  return ((await response.json()) as { in_flight: typeof idle }).in_flight;
}

test("/readyz counts a request that sends its body, and nothing after the answer", async () => {
  expect(await inFlight()).toEqual(idle);
  let send = (_: Uint8Array | undefined) => {};
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      send = (bytes) => (bytes ? controller.enqueue(bytes) : controller.close());
    },
  });
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  const answer = app.fetch(new Request("http://localhost/v1/classify", init));
  send(new Uint8Array(2 * 1024 * 1024));
  await vi.waitFor(async () => {
    const during = await inFlight();
    expect(during).toMatchObject({ permits: 1, waiting: 0 });
    expect(during.permit_bytes).toBeGreaterThanOrEqual(firstReadBytes);
  });
  send(undefined);
  expect((await answer).status).toBe(415);
  expect(await inFlight()).toEqual(idle);
  const line = app.log.find(({ path }) => path === "/v1/classify");
  expect(line).toMatchObject({ permits: 0, permit_bytes: 0, waiting: 0 });
});

test("with API_KEYS set, only a caller with a key sees the counts", async () => {
  const bucket = new MemoryBucket();
  await seedTinyPack(bucket);
  const key = "0123456789abcdef";
  app = new TinyApp(bucket, { API_KEYS: key });
  const refused = await app.fetch(new Request("http://localhost/readyz"));
  expect(refused.status).toBe(401);
  expect(await refused.text()).not.toContain("in_flight");
  const headers = { Authorization: `Bearer ${key}` };
  const allowed = await app.fetch(new Request("http://localhost/readyz", { headers }));
  expect(((await allowed.json()) as { in_flight: unknown }).in_flight).toEqual(idle);
});
