import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { Stages } from "../../src/classifier/classifier.ts";
import type { AnalyticsDataset } from "../../src/config.ts";
import type { AppEnv } from "../../src/http/context.ts";
import { analytics } from "../../src/http/request-log.ts";

type Point = Parameters<AnalyticsDataset["writeDataPoint"]>[0];

function appWith(dataset: AnalyticsDataset | undefined, logged: unknown[] = []) {
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    c.set("scoring", { stages: new Stages(), facts: {} });
    await next();
  });
  app.use(analytics(dataset, (event) => logged.push(event)));
  app.post("/models/:name", (c) => {
    Object.assign(c.var.scoring.facts, { cache: "HIT", model: "m/1", bytes: 77 });
    return c.text("made");
  });
  app.get("/broken", () => {
    throw new Error("broken");
  });
  app.onError((_, c) => {
    c.var.scoring.facts.code = "internal";
    return c.text("failed", 500);
  });
  return app;
}

describe("analytics", () => {
  test("each request writes one data point, with the documented columns and the route's pattern", async () => {
    const points: Point[] = [];
    const app = appWith({ writeDataPoint: (point) => points.push(point) });
    await app.request("/models/secret-name?x=1", { method: "POST" });
    await app.request("/broken");
    expect(points).toEqual([
      {
        indexes: ["ok"],
        blobs: ["POST", "/models/:name", "ok", "HIT", "m/1"],
        doubles: [200, 77, expect.any(Number)],
      },
      {
        indexes: ["internal"],
        blobs: ["GET", "/broken", "internal", "", ""],
        doubles: [500, 0, expect.any(Number)],
      },
    ]);
    expect(points[0]!.doubles[2]).toBeGreaterThanOrEqual(0);
  });

  test("a failing dataset is logged and fails no request", async () => {
    const logged: unknown[] = [];
    const dataset = {
      writeDataPoint: () => {
        throw new Error("too many points");
      },
    };
    const answer = await appWith(dataset, logged).request("/models/x", { method: "POST" });
    expect(await answer.text()).toBe("made");
    expect(logged).toEqual([{ event: "analytics_failed", reason: "Error: too many points" }]);
  });

  test("without a dataset requests work the same", async () => {
    expect((await appWith(undefined).request("/models/x", { method: "POST" })).status).toBe(200);
  });
});
