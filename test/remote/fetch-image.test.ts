/** Servers whose headers contradict their body. test/worker/remote.test.ts covers all other servers. */
import { expect, test } from "vitest";
import { ClassifierError } from "../../src/errors.ts";
import { parseAllowedHosts } from "../../src/remote/allowed-hosts.ts";
import { openImage } from "../../src/remote/fetch-image.ts";

const maxBytes = 100;

function open(bytes: number, headers: Record<string, string>) {
  const url = new URL("https://images.example.com/a.jpg");
  return openImage(
    { url, cfImage: false },
    {
      hosts: parseAllowedHosts("images.example.com"),
      maxBytes,
      fetch: async () => new Response(new Uint8Array(bytes), { headers }),
    },
  );
}

async function reasonOf(reading: Promise<unknown>) {
  const error = await reading.catch((thrown: unknown) => thrown);
  if (!(error instanceof ClassifierError)) throw new Error(`expected a ClassifierError, got ${error}`);
  return error.reason;
}

test("a Content-Length with Transfer-Encoding: chunked is ignored", async () => {
  for (const announced of ["5", "100000"]) {
    const image = await open(20, { "Content-Length": announced, "Transfer-Encoding": "chunked" });
    expect(image.expectedBytes).toBe(maxBytes);
    expect((await image.read()).length).toBe(20);
  }
});

test("a chunked body over the limit is refused by the limit, not by its Content-Length", async () => {
  const image = await open(maxBytes + 1, { "Content-Length": "5", "Transfer-Encoding": "chunked" });
  expect(await reasonOf(image.read())).toMatchObject({ code: "image_too_large", limit: maxBytes });
});

test("a body longer than its Content-Length is reported as the server's error", async () => {
  const image = await open(20, { "Content-Length": "5" });
  expect(await reasonOf(image.read())).toMatchObject({
    code: "upstream_unavailable",
    detail: "images.example.com sends more than the 5 bytes that its Content-Length announces",
  });
});
