import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeHeaderText, formatScore } from "../../src/bytes/header-text.ts";
import type { ImageOrigin } from "../../src/config.ts";
import { ClassifierError } from "../../src/errors.ts";
import { clientHeaders, isAnswer, originUrl, validatorsOf } from "../../src/http/cdn/origin.ts";

const originAt = (href: string): ImageOrigin => ({ url: new URL(href), hosts: [] });

describe("the headers of a labelled image", () => {
  test.each(["tench, Tinca tinca", "a\r\nSet-Cookie: x=1", "Kühlschrank 冷蔵庫", "\ud800 alone", ""])(
    "label %j is one header value, which decodes to the label",
    (label) => {
      const headers = new Headers();
      headers.set("X-Image-Label", encodeHeaderText(label));
      headers.set("X-Image-Score", formatScore(0.123456789));
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
  ["https://o.example/photos", "/c%64n/x", "https://o.example/photos/x"],
  ["https://o.example/photos", "/%63%64%6E/x", "https://o.example/photos/x"],
  ["https://o.example/photos", "/cdn", "https://o.example/photos/"],
  [
    "https://o.example/photos",
    "/cdn/a..b/...%2fc%5cd/100%25.jpg",
    "https://o.example/photos/a..b/...%2fc%5cd/100%25.jpg",
  ],
])("the origin %s serves %s at %s", (origin, asked, expected) => {
  expect(originUrl(originAt(origin), new URL(`https://w.example${asked}`)).href).toBe(expected);
});

describe("a path", () => {
  test.each([
    "/..%2fx",
    "/..%2Fx",
    "/..%5cx",
    "/a%2f..%2fb",
    "/a%2f..",
    "/%2e%2e%2fx",
    "/%2E%2e%5Cx",
    "/.%2e%2fx",
    "/%2f../x%2f.",
    "/..%252fx",
    "/%252e%252e/x",
    "/%25252e%25252e%25255cx",
    "/..;/x",
    "/..;a=b%2fx",
    `/%${"25".repeat(5_000)}2e`,
  ])("%.30s is refused, because an origin that decodes it could leave IMAGE_ORIGIN", (path) => {
    const attempt = () =>
      originUrl(originAt("https://o.example/photos"), new URL(`https://w.example/cdn${path}`));
    expect(attempt).toThrow(ClassifierError);
    expect(attempt).toThrow(/^path is ".*IMAGE_ORIGIN/s);
  });

  const piece = fc.constantFrom(
    ..."/ \\ . .. ... ;x %2e %2E %2f %5C %252e %25252f %25 %00 ? # @ : // %c0%ae c%64n cdn a é".split(" "),
  );
  test("never leads out of IMAGE_ORIGIN, however often the origin decodes it", () => {
    const origin = originAt("https://o.example/photos");
    let asked = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const request = new URL(`https://w.example/cdn/${pieces.join("")}`);
        // The URL parser resolves plain dot segments, so such a path may no longer be below /cdn/.
        fc.pre(request.pathname.startsWith("/cdn/"));
        let url: URL;
        try {
          url = originUrl(origin, request);
        } catch (error) {
          expect((error as ClassifierError).reason.code).toBe("invalid_parameter");
          return;
        }
        asked++;
        for (let href = url.href, level = 0; level < 4; level++) {
          expect(new URL(href).href).toMatch(/^https:\/\/o\.example\/photos\//);
          href = href.replace(/%(2e|2f|5c|25)/gi, (code) => decodeURIComponent(code));
        }
      }),
      { numRuns: 2000 },
    );
    expect(asked).toBeGreaterThan(100);
  });
});

test.each(["x".repeat(100_000), "💥".repeat(100_000), "\ud800".repeat(1000)])(
  "an extremely long label gives a short header",
  (label) => {
    const value = encodeHeaderText(label);
    expect(value.length).toBeLessThanOrEqual(12 * 200);
    expect(label.toWellFormed().startsWith(decodeURIComponent(value))).toBe(true);
  },
);

describe("the client receives of the origin's headers", () => {
  const image = {
    "Content-Type": "image/jpeg",
    "Content-Length": "9",
    "Content-Encoding": "identity",
    "Content-Language": "en",
    "Content-Disposition": "inline",
    "Content-Range": "bytes 0-8/20",
    "Accept-Ranges": "bytes",
    Age: "3",
    "Cache-Control": "public, s-maxage=9, max-age=5, immutable",
    "CDN-Cache-Control": "max-age=9",
    "Cloudflare-CDN-Cache-Control": "max-age=8",
    Date: "Mon, 01 Jun 2026 00:00:00 GMT",
    ETag: '"v1"',
    Expires: "Mon, 01 Jun 2026 00:01:00 GMT",
    "Last-Modified": "Mon, 01 Jun 2026 00:00:00 GMT",
    Location: "https://o.example/moved.jpg",
    "Retry-After": "5",
    "X-Robots-Tag": "noindex",
  };
  const unwanted = {
    Connection: "close, X-Secret-Hop, Content-Language",
    "X-Secret-Hop": "1",
    "Keep-Alive": "timeout=5",
    "Transfer-Encoding": "chunked",
    Upgrade: "h2c",
    "Proxy-Authenticate": "Basic",
    "Set-Cookie": "a=b",
    "Set-Cookie2": "a=b",
    "WWW-Authenticate": "Basic",
    Refresh: "0; url=https://evil.test/",
    Link: "<https://evil.test/x.js>; rel=preload; as=script",
    "Accept-CH": "Sec-CH-UA-Model",
    "Login-Status": "logged-in",
    "Set-Login": "logged-in",
    "Sec-Session-Registration": '(ES256); path="/"',
    "X-Frame-Options": "ALLOWALL",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "*",
    "Timing-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "unsafe-url",
    "Permissions-Policy": "camera=*",
    "Clear-Site-Data": '"*"',
    "Alt-Svc": 'h3="evil.test:443"',
    NEL: "{}",
    "Reporting-Endpoints": 'a="https://evil.test/"',
    "Service-Worker-Allowed": "/",
    SourceMap: "https://evil.test/",
    "Strict-Transport-Security": "max-age=0",
    "Surrogate-Control": "max-age=9",
    "X-Image-Label": "forged",
    "X-Image-Anything": "forged",
    "X-Cache": "HIT",
    "X-Request-Id": "forged",
    "X-Foo": "bar",
  };

  test("those that describe the image", () => {
    const headers = clientHeaders(new Headers(image), false);
    for (const [name, value] of Object.entries(image))
      expect([name, headers.get(name)]).toEqual([name, value]);
    expect(headers.get("Vary")).toBe("Accept");
    expect(clientHeaders(new Headers({ Vary: "User-Agent" }), false).get("Vary")).toBe("User-Agent, Accept");
  });

  test("none about its connection, cookies or this host's policy, and no unknown ones", () => {
    const headers = clientHeaders(new Headers({ ...image, ...unwanted }), false);
    expect(Object.keys(unwanted).filter((name) => headers.has(name))).toEqual([]);
    expect(headers.get("ETag")).toBe('"v1"');
    // Connection names the first, and the second has no meaning with a chunked body.
    expect([headers.get("Content-Language"), headers.get("Content-Length")]).toEqual([null, null]);
  });

  test("the Worker's own policy in place of the origin's", () => {
    const theirs = { "Content-Security-Policy": "script-src *", "X-Content-Type-Options": "sniff" };
    const headers = clientHeaders(new Headers({ ...image, ...theirs }), false);
    expect(headers.get("Content-Security-Policy")).toMatch(
      /default-src 'none'.*frame-ancestors 'none'.*sandbox/,
    );
    expect(headers.get("Content-Security-Policy")).not.toContain("script-src");
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
  });

  test.each([
    ["public, s-maxage=9, max-age=5, immutable", "private, max-age=5, immutable"],
    ['private="x", no-store', "private, no-store"],
    ["", "private"],
  ])("with a key, Cache-Control %s in a form that no shared cache stores", (theirs, ours) => {
    const headers = clientHeaders(new Headers({ ...image, "Cache-Control": theirs }), true);
    expect(headers.get("Cache-Control")).toBe(ours);
    expect(headers.has("CDN-Cache-Control")).toBe(false);
  });
});

test.each([
  [undefined, true],
  ["Accept-Encoding", true],
  ["Origin, accept-encoding", true],
  ["User-Agent", false],
  ["Accept-Encoding, user-agent", false],
  ["ACCEPT", false],
  ["*", false],
])("a response with Vary: %s is remembered by its URL: %s", (vary, remembered) => {
  for (const validator of [{ ETag: '"v1"' }, { "Last-Modified": "Mon, 01 Jun 2026 00:00:00 GMT" }]) {
    const headers = { ...validator, ...(vary === undefined ? {} : { Vary: vary }) };
    const validators = validatorsOf(new Response("", { headers: headers as Record<string, string> }));
    expect(Object.keys(validators)).toHaveLength(remembered ? 1 : 0);
  }
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
