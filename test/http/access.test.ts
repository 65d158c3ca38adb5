import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { RateLimiter } from "../../src/config.ts";
import { network, rateLimit } from "../../src/http/access.ts";
import type { AppEnv } from "../../src/http/context.ts";

const headers = { "CF-Connecting-IP": "192.0.2.7" };

function appWith(limiter: RateLimiter, keyHash?: string, logged: unknown[] = [], timeoutMs?: number) {
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    if (keyHash !== undefined) c.set("keyHash", keyHash);
    await next();
  });
  app.use(rateLimit(limiter, (event) => logged.push(event), timeoutMs));
  app.get("*", (c) => c.text("answered"));
  return app;
}

describe("rateLimit", () => {
  test("counts by address, or by the key's hash if there is one, but not the liveness probe", async () => {
    const keys: string[] = [];
    const limiter: RateLimiter = {
      limit: async ({ key }) => {
        keys.push(key);
        return { success: true };
      },
    };
    await appWith(limiter).request("/v1/model", { headers });
    await appWith(limiter, "abc").request("/v1/model", { headers });
    await appWith(limiter).request("/healthz", { headers });
    expect(keys).toEqual(["ip:192.0.2.7", "key:abc"]);
  });

  test.each([
    ["rejects", () => Promise.reject(new Error("no counter"))],
    [
      "throws",
      () => {
        throw new Error("no counter");
      },
    ],
  ])("a binding that %s is logged, and the request passes", async (_, limit) => {
    const logged: unknown[] = [];
    const answer = await appWith({ limit }, undefined, logged).request("/v1/model", { headers });
    expect(await answer.text()).toBe("answered");
    expect(logged).toEqual([{ event: "rate_limit_failed", reason: "Error: no counter" }]);
  });
});

test.each([
  ["does not answer", () => new Promise<{ success: boolean }>(() => {}), "no answer within 10 ms"],
  ["answers something else", async () => ({}) as { success: boolean }, "an answer without success"],
  ["answers nothing", async () => null as unknown as { success: boolean }, "an answer without success"],
])("a binding that %s is logged, and the request passes", async (_, limit, reason) => {
  const logged: unknown[] = [];
  const answer = await appWith({ limit }, undefined, logged, 10).request("/v1/model", { headers });
  expect(await answer.text()).toBe("answered");
  expect(logged).toEqual([{ event: "rate_limit_failed", reason: `Error: ${reason}` }]);
});

describe("the network that a rate limit counts", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8::3:4:5:6", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    [undefined, "unknown"],
  ])("of %s is %s", (address, expected) => {
    expect(network(address)).toBe(expected);
  });
});
