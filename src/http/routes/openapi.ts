/** GET /openapi.json and /docs: the description of the API. It is the same for every Worker, so it needs no key. */
import type { Hono } from "hono";
import { etag } from "hono/etag";
import { sha256 } from "../../bytes/sha256.ts";
import type { AppEnv } from "../context.ts";
import { apiDocument } from "../openapi/api.ts";
import { documentPage, pageStyle } from "../openapi/page.ts";

/** Adds both routes. */
export function addOpenApi(app: Hono<AppEnv>): void {
  app.get("/openapi.json", etag(), (c) => {
    c.header("Cache-Control", "no-cache");
    return c.json(apiDocument());
  });

  app.get("/docs", etag(), async (c) => {
    c.header("Cache-Control", "no-cache");
    c.header("Content-Security-Policy", await pagePolicy());
    return c.html(documentPage(apiDocument()));
  });
}

/** Allows the style of the page by its hash, and nothing else. */
async function pagePolicy(): Promise<string> {
  const digest = await sha256(new TextEncoder().encode(pageStyle));
  const hash = btoa(String.fromCharCode(...digest));
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}
