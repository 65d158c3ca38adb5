/** API keys, CORS and security headers of the built Worker. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exampleImage, TestWorker } from "../support/worker.ts";

const [oldKey, newKey] = ["old-key-0123456789abcdef", "new-key-0123456789abcdef"];
const origin = "https://app.example";
const authorized = { Authorization: `Bearer ${newKey}` };
const preflight = { Origin: origin, "Access-Control-Request-Method": "POST" };
const paths = ["/readyz", "/v1/model", "/v1/labels", "/v1/classify", "/nowhere"];

/** Requests a path with any host name, like a client of a deployed Worker. `fetch` does not allow that. */
function getAs(host: string, worker: TestWorker, pathname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(pathname, worker.url), { headers: { Host: host } }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    sent.on("error", reject).end();
  });
}

describe("with keys and an origin", () => {
  let worker: TestWorker;
  beforeAll(async () => {
    const vars = { API_KEYS: `${oldKey}, ${newKey}`, CORS_ORIGINS: `${origin},https://b.example` };
    worker = await TestWorker.start({ vars });
  });
  afterAll(() => worker?.close());

  test.each(paths)("%s without a key is 401 with a challenge, whatever the method", async (path) => {
    for (const method of ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]) {
      const { status, headers, json } = await worker.get(path, { method });
      expect([method, status]).toEqual([method, 401]);
      expect(headers.get("WWW-Authenticate")).toBe('Bearer realm="edge-resnet"');
      expect(headers.get("Content-Type")).toBe("application/problem+json");
      if (method !== "HEAD") expect(json).toMatchObject({ code: "unauthorized", status: 401 });
    }
  });

  test("every key of the list is accepted, with the scheme in upper or lower case", async () => {
    const teapot = await exampleImage("teapot");
    for (const header of [`Bearer ${oldKey}`, `bearer ${newKey}`, `BEARER  ${newKey}`]) {
      expect((await worker.classify(teapot, "", { Authorization: header })).status).toBe(200);
    }
    expect((await worker.get("/readyz", { method: "HEAD", headers: authorized })).status).toBe(200);
  });

  test.each([
    ["a wrong key", `Bearer ${oldKey.slice(0, -1)}x`, "invalid_token"],
    ["the start of a key", `Bearer ${oldKey.slice(0, -1)}`, "invalid_token"],
    ["both keys", `Bearer ${oldKey},${newKey}`, "invalid_request"],
    ["another scheme", `Basic ${btoa(`x:${oldKey}`)}`, "invalid_request"],
    ["the key alone", oldKey, "invalid_request"],
    ["an empty key", "Bearer ", "invalid_request"],
  ])("%s is 401 and is not repeated", async (_, header, error) => {
    const { status, headers, text } = await worker.get("/v1/model", { headers: { Authorization: header } });
    expect(status).toBe(401);
    expect(headers.get("WWW-Authenticate")).toContain(`error="${error}"`);
    if (header.length > 12) expect(text).not.toContain(header.slice(-12));
  });

  test("with a key, an unknown path is 404 and a wrong method 405 with Allow", async () => {
    expect((await worker.get("/nowhere", { headers: authorized })).status).toBe(404);
    for (const method of ["OPTIONS", "PUT"]) {
      const { status, headers } = await worker.get("/v1/model", { method, headers: authorized });
      expect(status).toBe(405);
      expect(headers.get("Allow")).toBe("GET, HEAD");
    }
  });

  test("/healthz needs no key", async () => {
    expect((await worker.get("/healthz")).json).toEqual({ status: "ok" });
    expect((await worker.get("/healthz", { method: "HEAD" })).status).toBe(200);
  });

  test("a preflight passes without a key and lists what a page may send", async () => {
    const { status, headers } = await worker.get("/v1/classify", { method: "OPTIONS", headers: preflight });
    expect(status).toBe(204);
    expect(headers.get("Access-Control-Allow-Origin")).toBe(origin);
    expect(headers.get("Access-Control-Allow-Headers")).toContain("Authorization");
    expect(headers.get("Access-Control-Allow-Methods")).toContain("POST");
    expect(headers.get("Vary")).toContain("Origin");
  });

  test("a page of a listed origin may read answers and errors; one of another origin may not", async () => {
    const sent = { ...authorized, Origin: origin };
    for (const headers of [sent, { Origin: origin }]) {
      const answer = await worker.get("/v1/labels", { headers });
      expect(answer.headers.get("Access-Control-Allow-Origin")).toBe(origin);
      expect(answer.headers.get("Vary")).toContain("Origin");
    }
    const foreign = { Origin: "https://evil.example" };
    for (const method of ["GET", "OPTIONS"]) {
      const headers = { ...foreign, "Access-Control-Request-Method": "POST" };
      const answer = await worker.get("/v1/labels", { method, headers });
      expect(answer.headers.get("Access-Control-Allow-Origin")).toBeNull();
    }
  });

  test("every response has the security headers", async () => {
    const answers = await Promise.all([
      worker.get("/healthz"),
      worker.get("/v1/model", { headers: authorized }),
      worker.get("/v1/model"),
      worker.get("/nowhere", { headers: authorized }),
      worker.get("/v1/classify", { method: "OPTIONS", headers: preflight }),
    ]);
    for (const { headers } of answers) {
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(headers.get("Referrer-Policy")).toBe("no-referrer");
      expect(headers.get("X-Frame-Options")).toBe("DENY");
      expect(headers.get("Content-Security-Policy")).toBe("default-src 'none'; frame-ancestors 'none'");
    }
    const caching = answers.map(({ headers }) => headers.get("Cache-Control"));
    expect(caching).toEqual(["no-store", "no-cache", "no-store", "no-store", null]);
  });

  test("an ETag still gives a 304, which keeps its Cache-Control", async () => {
    const first = await worker.get("/v1/labels", { headers: authorized });
    const etag = first.headers.get("ETag")!;
    const again = await worker.get("/v1/labels", { headers: { ...authorized, "If-None-Match": etag } });
    expect(again.status).toBe(304);
    expect(again.headers.get("ETag")).toBe(etag);
    expect(again.headers.get("Cache-Control")).toBe("no-cache");
  });

  test("no key, right or wrong, is in the log", async () => {
    await worker.get("/v1/model", { headers: authorized });
    await worker.get("/v1/model", { headers: { Authorization: "Bearer wrong-key-0123456789" } });
    const lines = await worker.logs("request");
    expect(lines.some(({ code }) => code === "unauthorized")).toBe(true);
    expect(JSON.stringify(lines)).not.toMatch(/0123456789/);
    expect(await worker.logs("open_endpoint")).toEqual([]);
  });
});

describe("without keys", () => {
  let worker: TestWorker;
  beforeAll(async () => {
    worker = await TestWorker.start();
  });
  afterAll(() => worker?.close());

  test("a local host name logs nothing; a public one logs one warning, once", async () => {
    expect((await worker.get("/v1/model")).status).toBe(200);
    expect(await worker.logs("open_endpoint")).toEqual([]);
    expect(await getAs("edge.example.com", worker, "/healthz")).toBe(200);
    expect(await worker.logs("open_endpoint")).toEqual([]);
    for (let i = 0; i < 3; i++) expect(await getAs("edge.example.com", worker, "/v1/model")).toBe(200);
    expect(await worker.logs("open_endpoint")).toHaveLength(1);
  });

  test("a page of another site may not read answers", async () => {
    const { headers } = await worker.get("/v1/model", { headers: { Origin: origin } });
    expect(headers.get("Access-Control-Allow-Origin")).toBeNull();
    const asked = await worker.get("/v1/model", { method: "OPTIONS", headers: preflight });
    expect(asked.status).toBe(405);
  });
});

test("a key that is too short blocks every path but /healthz", async () => {
  const worker = await TestWorker.start({ vars: { API_KEYS: "short" }, seeded: false });
  try {
    const { status, json, text } = await worker.get("/v1/model", {
      headers: { Authorization: "Bearer short" },
    });
    expect(status).toBe(503);
    expect(json).toMatchObject({ code: "misconfigured", variable: "API_KEYS" });
    expect(text).not.toContain("short");
    expect((await worker.get("/healthz")).status).toBe(200);
  } finally {
    await worker.close();
  }
});

test("CORS_ORIGINS = * lets every page read answers", async () => {
  const worker = await TestWorker.start({ vars: { CORS_ORIGINS: "*" }, seeded: false });
  try {
    const { headers } = await worker.get("/healthz", { headers: { Origin: "https://any.example" } });
    expect(headers.get("Access-Control-Allow-Origin")).toBe("*");
  } finally {
    await worker.close();
  }
});
