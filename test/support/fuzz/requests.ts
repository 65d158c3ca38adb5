/** Hostile requests, as fast-check arbitraries. */
import fc from "fast-check";

/** A request as plain data, so that a counterexample is readable. */
export interface Sent {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Encodes a body as bytes, which can hold lone surrogates and similar text. */
const encode = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const utf16 = (text: string) => new Uint8Array(Buffer.from(`\ufeff${text}`, "utf16le"));

export const paths = [
  "/v1/classify",
  "/v1/embed",
  "/models/tiny",
  "/v1/model",
  "/v1/labels",
  "/readyz",
  "/healthz",
  "/cdn/a.jpg",
];
const posts = ["/v1/classify", "/v1/embed", "/models/tiny"];

const pathSegment = fc.oneof(
  fc.constantFrom(
    "..",
    ".",
    "",
    "%2e%2e",
    "%00",
    "%ff",
    "%E0%A4%A",
    "%",
    "a b",
    "\\",
    "::",
    "%0d%0aX-Evil:1",
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 10 }),
);
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...paths) },
  fc.array(pathSegment, { maxLength: 5 }).map((segments) => `/${segments.join("/")}`),
  fc.tuple(fc.constantFrom(...paths), pathSegment).map(([known, more]) => `${known}/${more}`),
);

const value = fc.oneof(
  fc.constantFrom("", "0", "1", "2", "3", "-1", "1e9", "5.0", " 2", "NaN", "99999999999999999999", "٣", "%"),
  fc.constantFrom(
    "softmax",
    "none",
    "sigmoid",
    "SOFTMAX",
    "__proto__",
    "constructor",
    "float",
    "base64",
    "l2",
  ),
  fc.constantFrom("%ff", "%E0%A4%A", "%00", "%0d%0aX-Evil:%201", "+", "a&b", "[]", "a".repeat(5000)),
  fc.string({ unit: "binary", maxLength: 10 }),
);
const name = fc.oneof(
  fc.constantFrom("top_k", "function_to_apply", "url", "encoding", "normalize", "head", "top_k[]", "TOP_K"),
  fc.constantFrom("__proto__", "", "%", "toString", "top_k%00"),
);
/** Query strings: repeated, empty and badly escaped parameters. */
export const query = fc
  .array(fc.tuple(name, fc.option(value)), { maxLength: 4 })
  .map((pairs) => pairs.map(([key, text]) => (text === null ? key : `${key}=${text}`)).join("&"))
  .map((text) => (text === "" ? "" : `?${text.replaceAll("#", "%23")}`));

const contentTypes = [
  ...["image/jpeg", "", ";", "application/json", "application/json;charset=utf-16", "APPLICATION/JSON ; x"],
  ...["application/json,application/json", "application/problem+json", "text/plain", "multipart/form-data"],
  ...[
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=xy",
    'multipart/form-data; boundary="x y"',
  ],
  ...["multipart/form-data; boundary=xy; boundary=zz", "multipart/mixed; boundary=xy"],
  ...[`multipart/form-data; boundary=${"x".repeat(71)}`, "multipart/form-data; boundary*=UTF-8''xy"],
];
const headerName = fc.constantFrom(
  ...[
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "If-None-Match",
    "If-Match",
    "Origin",
  ],
  ...[
    "Range",
    "Via",
    "X-Request-Id",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "X-HTTP-Method-Override",
    "Cookie",
  ],
  ...["Access-Control-Request-Method", "CF-Connecting-IP", "Transfer-Encoding-X", "Content-MD5"],
);
const headerValue = fc.oneof(
  fc.constantFrom(
    "",
    "*",
    "gzip",
    "application/json",
    "Bearer",
    "Bearer  ",
    "Basic x",
    "bytes=0-1",
    '"a", W/"b"',
  ),
  fc.constantFrom("image/*;q=0", "a;q=9,,;", "1.1 edge-resnet", "null", "x".repeat(4000), "\u00ff\u00e9"),
  fc.string({ maxLength: 30 }).map((text) => text.replace(/[^\x20-\x7e]/g, "?")),
);
/** Headers without Content-Length, which the sender sets. Tests of the connection cover a wrong one. */
export const headers = fc
  .tuple(
    fc.option(fc.constantFrom(...contentTypes)),
    fc.array(fc.tuple(headerName, headerValue), { maxLength: 4 }),
  )
  .map(([type, rest]) => ({
    ...(type === null ? {} : { "Content-Type": type }),
    ...Object.fromEntries(rest),
  }));

const depth = (n: number, open: string, close: string) => `${open.repeat(n)}${close.repeat(n)}`;
const jsonTexts = (base64: string) => [
  `{"image":"${base64}"}`,
  `{"inputs":"${base64}"}`,
  `{"inputs":"${base64}","parameters":{"top_k":1e400}}`,
  `{"inputs":"${base64}","parameters":{"top_k":${"9".repeat(400)}}}`,
  `{"inputs":"${base64}","parameters":{"top_k":-0,"function_to_apply":"\\ud800"}}`,
  `{"inputs":"${base64}","parameters":{"__proto__":{"top_k":1}}}`,
  `{"inputs":"${base64}","parameters":[1]}`,
  `{"__proto__":{"image":"${base64}"}}`,
  `{"constructor":{"prototype":{"image":"x"}},"image":"${base64}"}`,
  `{"image":"${base64}","image":"AA=="}`,
  `{"image":"${base64}","url":"https://images.example.com/"}`,
  `{"image":${depth(5000, "[", "]")}}`,
  depth(50_000, "[", "]"),
  depth(50_000, '{"image":', "}"),
  '{"image":"\\ud800"}',
  '{"image":"\\u0000"}',
  `{"image":"${"A".repeat(50_000)}"}`,
  `\ufeff{"image":"${base64}"}`,
  "null",
  '"image"',
  "1e999999",
  "[]",
  "",
  "NaN",
  "{image:1}",
  `{"url":"https://images.example.com/a.jpg","__proto__":null}`,
];
const base64Noise = fc.oneof(
  fc.base64String({ maxLength: 60 }),
  fc.constantFrom("=", "==", "====", "A", "AA=A", "-_-_", "data:image/jpeg;base64,/9j/", "/9j/ ", "/9j/\\n"),
  fc.string({ maxLength: 20 }).map((text) => JSON.stringify(text).slice(1, -1)),
);

const jsonBody = (image: Uint8Array) => {
  const base64 = Buffer.from(image).toString("base64");
  const text = fc.oneof(
    fc.constantFrom(...jsonTexts(base64)),
    base64Noise.chain((noise) => fc.constantFrom(...jsonTexts(noise))),
    fc.json({ maxDepth: 4 }),
    fc.tuple(fc.constantFrom(...jsonTexts(base64)), fc.nat(), fc.nat(255)).map(([whole, at, byte]) => {
      const place = at % (whole.length + 1);
      return whole.slice(0, place) + String.fromCharCode(byte) + whole.slice(place + 1);
    }),
  );
  return fc.tuple(text, fc.constantFrom("utf-8", "utf-8", "latin1", "utf-16")).map(([whole, encoding]) => {
    if (encoding === "utf-16") return utf16(whole);
    return encoding === "latin1" ? encode(whole) : whole;
  });
};

/** Hostile URLs, in JSON and as ?url=. */
export const addresses = fc.oneof(
  fc.constantFrom(
    ...["https://user:pw@images.example.com/", "https://images.example.com@evil.test/", "https://[::1]/"],
    ...[
      "https://[::ffff:127.0.0.1]/",
      "https://0x7f.1/",
      "https://images.example.com:0/",
      "https://a:99999/",
    ],
    ...[
      "https://images.example.com\\@evil.test/",
      "https:\\\\images.example.com\\a",
      "//images.example.com/",
    ],
    ...[
      "https://images.example.com/\r\nX-Evil: 1",
      "https://images.example.com/\0",
      "https://іmages.example.com/",
    ],
    ...[
      "https://xn--mages-fva.example.com/",
      "https://IMAGES.EXAMPLE.COM./",
      "javascript:alert(1)",
      "file:///",
    ],
    ...["https://images.example.com/a.jpg#frag", "https://images.example.com/\ud800", "blob:https://x/1"],
    ...[`https://images.example.com/${"a".repeat(64 * 1024)}`, "https://", "", " ", "data:,x", "http:80"],
    ...[
      "https://images.example.com/%0d%0a",
      "https://images.example.com/../../x?y=\n",
      "https://１２７.0.0.1/",
    ],
  ),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.string({ unit: "binary", maxLength: 30 }).map((tail) => `https://images.example.com/${tail}`),
  fc.string({ maxLength: 40 }),
);

const partHeads = [
  'Content-Disposition: form-data; name="image"\r\n\r\n',
  "content-disposition:form-data;name=image\r\n\r\n",
  'Content-Disposition: form-data; name="image"; filename="../../x\0.jpg"\r\nContent-Type: text/html\r\n\r\n',
  'Content-Disposition: form-data; name="other"\r\n\r\n',
  `Content-Disposition: form-data; name="${"n".repeat(9000)}"\r\n\r\n`,
  "Content-Disposition: attachment\r\n\r\n",
  "Content-Disposition: form-data; name*=UTF-8''im%FFage\r\n\r\n",
  'Content-Disposition: form-data; name="\xff\xfe"\r\n\r\n',
  'X: 1\r\nContent-Disposition: form-data; name="image"\n\n',
  "\r\n",
  "",
];
const multipart = (image: Uint8Array) => {
  const content = fc.oneof(
    fc.constant(Buffer.from(image).toString("latin1")),
    fc.string({ unit: "binary-ascii", maxLength: 40 }),
    fc.constantFrom("", "\r\n--x", "--xy", "\r\n--xy"),
  );
  const part = fc
    .tuple(
      fc.constantFrom("--xy\r\n", "--xy\n", "--xy  \r\n", "--xyz\r\n"),
      fc.constantFrom(...partHeads),
      content,
    )
    .map((pieces) => `${pieces.join("")}\r\n`);
  return fc
    .tuple(
      fc.constantFrom("", "preamble\r\n"),
      fc.array(part, { maxLength: 11 }),
      fc.constantFrom("--xy--", "--xy", ""),
    )
    .map(([before, parts, end]) => encode(before + parts.join("") + end));
};

const damaged = (image: Uint8Array) =>
  fc
    .tuple(fc.nat(image.length), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }))
    .map(([length, edits]) => {
      const bytes = image.slice(0, length || image.length);
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      return bytes;
    });

/** @param image the bytes of a valid image */
export function requests(image: Uint8Array): fc.Arbitrary<Sent> {
  const anything = fc
    .tuple(
      fc.constantFrom(
        "GET",
        "POST",
        "HEAD",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "PROPFIND",
        "get",
        "M-SEARCH",
      ),
      path,
      query,
      headers,
      fc.option(fc.oneof(fc.constant(image), damaged(image), fc.uint8Array({ maxLength: 50 }))),
    )
    .map(([method, at, search, fields, body]) => ({
      method,
      target: at.replaceAll(/[?#]/g, "") + search,
      headers: fields,
      ...(body === null || /^(get|head)$/i.test(method) ? {} : { body }),
    }));
  // Mostly without headers, so that the body decides the answer.
  const rarely = fc.oneof({ weight: 4, arbitrary: fc.constant("") }, query);
  const typed = (type: string, body: fc.Arbitrary<Uint8Array | string>) =>
    fc.tuple(fc.constantFrom(...posts), rarely, headers, body).map(([target, search, fields, content]) => ({
      method: "POST",
      target: target + search,
      headers: { ...fields, "Content-Type": type },
      body: content,
    }));
  const byUrl = addresses.map((url) => ({
    method: "GET",
    target: `/v1/classify?url=${encodeURIComponent(url.toWellFormed())}`,
    headers: {},
  }));
  return fc.oneof(
    anything,
    typed("application/json", jsonBody(image)),
    typed(
      "application/json",
      addresses.map((url) => JSON.stringify({ url })),
    ),
    typed("multipart/form-data; boundary=xy", multipart(image)),
    byUrl,
  );
}
