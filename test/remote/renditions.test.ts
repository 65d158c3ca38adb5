import { describe, expect, test } from "vitest";
import { parseAllowedHosts } from "../../src/remote/allowed-hosts.ts";
import { openImage } from "../../src/remote/fetch-image.ts";
import { cfImageOptions, parseRenditions, renditionOf } from "../../src/remote/renditions.ts";

const renditions = parseRenditions(
  JSON.stringify({
    "query.example.com": "?w=512&fm=jpg",
    "path.example.com": "/cdn-cgi/image/width=512,format=jpeg{path}",
    "cf.example.com": "cf",
  }),
);
const of = (url: string) => renditionOf(new URL(url), renditions).url.href;

describe("renditionOf", () => {
  test("sets query parameters and replaces those of the same name", () => {
    expect(of("https://query.example.com/a%20b.jpg?w=4000&v=2")).toBe(
      "https://query.example.com/a%20b.jpg?w=512&v=2&fm=jpg",
    );
  });

  test("inserts the path and query into another path, including $&", () => {
    expect(of("https://path.example.com/a/$&.jpg?v=2")).toBe(
      "https://path.example.com/cdn-cgi/image/width=512,format=jpeg/a/$&.jpg?v=2",
    );
  });

  test("does not change other hosts and ports", () => {
    for (const url of ["https://example.com/a.jpg", "https://query.example.com:8443/a.jpg"])
      expect(of(url)).toBe(url);
  });

  test("cannot leave the host", () => {
    expect(new URL(of("https://path.example.com//evil.test/a.jpg")).host).toBe("path.example.com");
  });
});

test("cf lets Cloudflare resize the original", async () => {
  const calls: [string, unknown][] = [];
  const fetcher = async (url: string, init: { cf?: unknown }) => {
    calls.push([url, init.cf]);
    return new Response("bytes");
  };
  const options = {
    hosts: parseAllowedHosts("cf.example.com, query.example.com"),
    maxBytes: 100,
    fetch: fetcher as unknown as typeof fetch,
  };
  for (const url of ["https://cf.example.com/a.jpg", "https://query.example.com/a.jpg"]) {
    expect(await (await openImage(renditionOf(new URL(url), renditions), options)).read()).toHaveLength(5);
  }
  expect(calls).toEqual([
    ["https://cf.example.com/a.jpg", { image: cfImageOptions }],
    ["https://query.example.com/a.jpg?w=512&fm=jpg", undefined],
  ]);
});

test.each([
  "nonsense",
  "[]",
  '{"a.example": ""}',
  '{"a.example": "w=512"}',
  '{"a.example": "//evil.test{path}"}',
  '{"a.example": "/no-path"}',
  '{"a.example": "https://evil.test/{path}"}',
  '{"https://a.example": "cf"}',
])("the map %s is refused", (json) => {
  expect(() => parseRenditions(json)).toThrow();
});
