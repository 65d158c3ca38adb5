import { describe, expect, test } from "vitest";
import { setImageHeaders } from "../../src/http/cdn/image-headers.ts";
import { clientHeaders, isAnswer, originUrl } from "../../src/http/cdn/origin.ts";
import { classificationETag, ifNoneMatch } from "../../src/http/conditional.ts";

describe("setImageHeaders", () => {
  test.each(["tench, Tinca tinca", "a\r\nSet-Cookie: x=1", "Kühlschrank 冷蔵庫", "\ud800 alone", ""])(
    "label %j is one header value that decodes to itself",
    (label) => {
      const headers = new Headers();
      const image = { sha256: "ab", width: 1, height: 1 };
      const predictions = [{ label, score: 0.123456789, index: 0, id: "x" }];
      setImageHeaders(headers, { model: { name: "m", version: "v" }, image, predictions });
      expect(decodeURIComponent(headers.get("X-Image-Label") ?? "?")).toBe(label.toWellFormed());
      expect(headers.get("X-Image-Label")).toMatch(/^[\x21-\x7e]*$/);
      expect(headers.get("X-Image-Score")).toBe("0.123457");
      expect(headers.get("Set-Cookie")).toBeNull();
    },
  );
});

test.each([
  ["https://o.example", "/cdn/a%20b.jpg?x=1", "https://o.example/a%20b.jpg?x=1"],
  ["https://o.example/base/", "/cdn/a.jpg", "https://o.example/base/a.jpg"],
  ["https://o.example/base", "/cdn//evil.test/a.jpg", "https://o.example/base//evil.test/a.jpg"],
  ["https://o.example", "/cdn//evil.test/a.jpg", "https://o.example//evil.test/a.jpg"],
])("the origin %s has %s at %s", (origin, asked, expected) => {
  expect(originUrl(new URL(origin), new URL(`https://w.example${asked}`)).href).toBe(expected);
});

test.each(["x".repeat(100_000), "💥".repeat(100_000), "\ud800".repeat(1000)])(
  "a label without end makes a header that has one",
  (label) => {
    const headers = new Headers();
    const image = { sha256: "ab", width: 1, height: 1 };
    const predictions = [{ label, score: 1, index: 0, id: "x" }];
    setImageHeaders(headers, { model: { name: "m", version: "v" }, image, predictions });
    const value = headers.get("X-Image-Label") ?? "";
    expect(value.length).toBeLessThanOrEqual(12 * 200);
    expect(label.toWellFormed().startsWith(decodeURIComponent(value))).toBe(true);
  },
);

describe("of the origin's headers the client gets", () => {
  const origin = {
    "Content-Type": "image/jpeg",
    "Cache-Control": "public, s-maxage=9, max-age=5, immutable",
    "CDN-Cache-Control": "max-age=9",
    "Access-Control-Allow-Origin": "*",
    ETag: '"v1"',
  };
  const unwanted = {
    Connection: "close, X-Secret-Hop",
    "X-Secret-Hop": "1",
    "Keep-Alive": "timeout=5",
    "Transfer-Encoding": "chunked",
    Upgrade: "h2c",
    "Proxy-Authenticate": "Basic",
    "Set-Cookie": "a=b",
    "Clear-Site-Data": '"*"',
    "Alt-Svc": 'h3="evil.test:443"',
    NEL: "{}",
    "Reporting-Endpoints": 'a="https://evil.test/"',
    "Strict-Transport-Security": "max-age=0",
    "X-Image-Label": "forged",
    "X-Image-Anything": "forged",
    "X-Cache": "HIT",
    "X-Request-Id": "forged",
  };

  test("what is about the image, and nothing of its connection, its cookies or our host", () => {
    const headers = clientHeaders(new Headers({ ...origin, ...unwanted }), false);
    expect(Object.keys(unwanted).filter((name) => headers.has(name))).toEqual([]);
    for (const [name, value] of Object.entries(origin)) expect(headers.get(name)).toBe(value);
    expect(headers.get("Content-Security-Policy")).toContain("sandbox");
  });

  test.each([
    ["public, s-maxage=9, max-age=5, immutable", "private, max-age=5, immutable"],
    ['private="x", no-store', "private, no-store"],
    ["", "private"],
  ])("with a key, of Cache-Control %s what no shared cache keeps", (theirs, ours) => {
    const headers = clientHeaders(new Headers({ ...origin, "Cache-Control": theirs }), true);
    expect(headers.get("Cache-Control")).toBe(ours);
    expect(headers.has("CDN-Cache-Control")).toBe(false);
  });
});

test.each([
  [200, true],
  [599, true],
  [600, false],
  [999, false],
  [101, false],
])("an origin's status %i can be passed on: %s", (status, passes) => {
  expect(isAnswer({ status } as Response)).toBe(passes);
});

test("If-None-Match names a tag, weak or strong, among others, or any", () => {
  const etag = classificationETag("ab", "v1", 5, "softmax");
  expect(etag).toBe('"ab-v1-5-softmax"');
  for (const header of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) expect(ifNoneMatch(header, etag)).toBe(true);
  for (const header of [undefined, null, "", '"ab-v1-50-softmax"', "ab-v1-5-softmax"])
    expect(ifNoneMatch(header, etag)).toBe(false);
});
