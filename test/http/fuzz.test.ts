/** Sends thousands of hostile requests through the whole app. Each answer must keep the API's contract. */
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { breaches } from "../support/fuzz/contract.ts";
import { headers, query, requests, type Sent } from "../support/fuzz/requests.ts";
import { TinyApp } from "../support/tiny-app.ts";
import { seedTinyPack } from "../support/tiny-pack.ts";

const image = new Uint8Array(
  await sharp({ create: { width: 16, height: 8, channels: 3, background: "white" } })
    .jpeg()
    .toBuffer(),
);
const hosts = { ALLOWED_IMAGE_HOSTS: "images.example.com" };
let app: TinyApp;
let fetched: string[];

beforeEach(async () => {
  app = new TinyApp(undefined, hosts);
  await seedTinyPack(app.bucket);
  fetched = [];
  vi.stubGlobal("fetch", async (url: string) => {
    fetched.push(url);
    return new Response(image.slice());
  });
});

afterEach(() => void vi.unstubAllGlobals());

async function send({ method, target, headers: fields, body }: Sent) {
  const request = new Request(new URL(`http://localhost${target}`), {
    method,
    headers: fields,
    ...(body === undefined ? {} : { body: body as BodyInit }),
  });
  const response = await app.fetch(request);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function expectWell(): Promise<void> {
  await app.settled();
  expect(app.services.admission).toMatchObject({ heldBytes: 0, waiting: 0 });
  const answer = await send({ method: "POST", target: "/v1/classify", headers: {}, body: image });
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text)).toMatchObject({
    image: { width: 16, height: 8 },
    predictions: [{ label: "no" }, { label: "yes" }],
  });
}

test("3,000 hostile requests get documented statuses, no stack trace and no foreign header; the next good one is right", async () => {
  await fc.assert(
    fc.asyncProperty(requests(image), async (sent) => {
      expect(breaches(await send(sent))).toEqual([]);
    }),
    { numRuns: 3000 },
  );
  expect(app.log.filter(({ code }) => code === "internal")).toEqual([]);
  expect(fetched.every((url) => url.startsWith("https://images.example.com/"))).toBe(true);
  await expectWell();
});

test("a valid image gets the same answer with any headers and unknown parameters", async () => {
  const good = await send({ method: "POST", target: "/v1/classify", headers: {}, body: image });
  await fc.assert(
    fc.asyncProperty(headers, query, async (fields, search) => {
      const known = /(^|[?&])(top_k|function_to_apply|head|unknown)(=|&|$)/;
      fc.pre(!known.test(decode(search)) && !/json|multipart/i.test(fields["Content-Type"] ?? ""));
      const answer = await send({
        method: "POST",
        target: `/v1/classify${search}`,
        headers: fields,
        body: image,
      });
      expect([answer.status, answer.text]).toEqual([200, good.text]);
    }),
    { numRuns: 500 },
  );
});

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
