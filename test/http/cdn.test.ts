import { describe, expect, test } from "vitest";
import { setImageHeaders } from "../../src/http/cdn/image-headers.ts";
import { originUrl } from "../../src/http/cdn/origin.ts";
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

test("If-None-Match names a tag, weak or strong, among others, or any", () => {
  const etag = classificationETag("ab", "v1", 5, "softmax");
  expect(etag).toBe('"ab-v1-5-softmax"');
  for (const header of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) expect(ifNoneMatch(header, etag)).toBe(true);
  for (const header of [undefined, null, "", '"ab-v1-50-softmax"', "ab-v1-5-softmax"])
    expect(ifNoneMatch(header, etag)).toBe(false);
});
