/** What `npm run classify` accepts, how it asks a Worker, and what it prints. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Answer, ask, postTo } from "../../../cli/classify/ask.ts";
import { type formats, printer } from "../../../cli/classify/formats.ts";
import { findInputs } from "../../../cli/classify/inputs.ts";
import { defaultMaxImageBytes } from "../../../src/limits.ts";

let folder: string;
let server: Server;
let origin: string;
const requests: IncomingMessage[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "classify-"));
  vi.stubEnv("INIT_CWD", folder);
  await mkdir(path.join(folder, "photos", "deep"), { recursive: true });
  for (const file of ["b.jpg", "deep/a.JPEG", "deep/c.png", "deep/d.webp", "deep/e.gif", "notes.txt"]) {
    await writeFile(path.join(folder, "photos", file), file);
  }
  let busy = 1;
  server = createServer((request, response) => {
    requests.push(request);
    const json = { "Content-Type": "application/json" };
    if (request.url === "/image.jpg") response.end("bytes");
    else if (request.url === "/endless.jpg") {
      const chunk = Buffer.alloc(2 ** 20);
      const more = () => {
        while (response.write(chunk));
      };
      response.on("drain", more);
      more();
    } else if (request.headers.authorization !== "Bearer secret" && request.method === "POST") {
      response.writeHead(401).end();
    } else if (request.method === "POST" && busy-- > 0) {
      response.writeHead(503, { ...json, "Retry-After": "0" }).end('{"detail":"busy"}');
    } else if (request.method === "POST") {
      response.writeHead(200, json).end('{"predictions":[]}');
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const nothing = Readable.from([]);
const text = async (inputs: Awaited<ReturnType<typeof findInputs>>) =>
  Promise.all(inputs.map(async ({ name, read }) => [name, new TextDecoder().decode(await read())]));

describe("inputs", () => {
  test("are files, the image files of folders, URLs and standard input, in this order", async () => {
    const stdin = Readable.from([Buffer.from("st"), Buffer.from("din")]);
    const url = `${origin}/image.jpg`;
    expect(await text(await findInputs(["photos/notes.txt", "photos", url, "-"], stdin))).toEqual([
      ["photos/notes.txt", "notes.txt"],
      ["photos/b.jpg", "b.jpg"],
      ["photos/deep/a.JPEG", "deep/a.JPEG"],
      ["photos/deep/c.png", "deep/c.png"],
      ["photos/deep/d.webp", "deep/d.webp"],
      ["photos/deep/e.gif", "deep/e.gif"],
      [url, "bytes"],
      ["-", "stdin"],
    ]);
  });

  test.each([
    [["nothing.jpg"], "nothing.jpg is missing; expected an image file, a folder, a URL or -"],
    [["."], undefined],
    [["-", "-"], "- is given twice"],
  ])("%j: %s", async (typed, message) => {
    const found = findInputs(typed, nothing);
    if (message) await expect(found).rejects.toThrow(message);
    else expect(await found).toHaveLength(5);
  });

  test("that cannot be downloaded become an answer without a status, and the others go on", async () => {
    const inputs = await findInputs(
      [`${origin}/no.jpg`, `${origin}/endless.jpg`, "http://127.0.0.1:1/x"],
      nothing,
    );
    const post = () => Promise.reject(new Error("nothing is sent"));
    const answers = await Promise.all(inputs.map((input) => ask(input, post)));
    expect(answers.map(({ status }) => status)).toEqual([null, null, null]);
    expect(answers.map(({ body }) => body.detail)).toEqual([
      expect.stringContaining("/no.jpg answered 404; expected 200 with an image"),
      expect.stringContaining(`/endless.jpg has more than ${defaultMaxImageBytes} bytes`),
      expect.stringContaining("http://127.0.0.1:1/x cannot be downloaded: "),
    ]);
  });
});

describe("a deployed Worker", () => {
  const input = { name: "a", read: async () => Uint8Array.of(1, 2) };

  test("gets the image, the query and the key, and is asked again while it is busy", async () => {
    requests.length = 0;
    const answer = await ask(input, postTo(origin, "?top_k=2", "secret"));
    expect(answer).toEqual({ file: "a", status: 200, body: { predictions: [] } });
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST /v1/classify?top_k=2",
      "POST /v1/classify?top_k=2",
    ]);
    expect(requests[0]!.headers).toMatchObject({
      authorization: "Bearer secret",
      "content-type": "application/octet-stream",
    });
  });

  test("that refuses the key ends the command, which says where keys come from", async () => {
    await expect(ask(input, postTo(origin, "", "wrong"))).rejects.toThrow(
      "refuses the key in EDGE_RESNET_KEY",
    );
    await expect(ask(input, postTo(origin, "", undefined))).rejects.toThrow(
      "requires a key; set the environment variable EDGE_RESNET_KEY",
    );
  });

  test.each(["classify.example.com", "http://classify.example.com", "ftp://x"])(
    "at %j is refused: a key must not be sent in the clear",
    (endpoint) => {
      expect(() => postTo(endpoint, "", "secret")).toThrow("expected an address like https://");
    },
  );

  test("that does not answer is named", async () => {
    await expect(ask(input, postTo("http://127.0.0.1:1", "", undefined))).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:1 does not answer: .*; check the address$/,
    );
  });
});

describe("output", () => {
  const answers: Answer[] = [
    {
      ...{ file: "my, photo.jpg", status: 200 },
      body: {
        model: { name: "m", version: "1" },
        image: { width: 2, height: 3 },
        predictions: [{ id: "n1", label: 'a "b"', score: 0.75, index: 0 }],
      },
    },
    { file: "x.jpg", status: 415, body: { detail: "no JPEG" } },
    { file: "y.jpg", status: null, body: { detail: "is missing" } },
  ];
  const printed = (format: (typeof formats)[number]) => {
    let output = "";
    const print = printer(format, (text) => {
      output += text;
    });
    for (const answer of answers) print.answer(answer);
    print.end();
    return stripVTControlCharacters(output);
  };

  test("as csv has a row per prediction, quoted", () => {
    expect(printed("csv").split("\r\n")).toEqual([
      "file,status,rank,id,label,score,error",
      '"my, photo.jpg",200,1,n1,"a ""b""",0.75,',
      "x.jpg,415,,,,,no JPEG",
      "y.jpg,,,,,,is missing",
      "",
    ]);
  });

  test("as json and as ndjson has the Worker's answers", () => {
    expect(JSON.parse(printed("json"))).toEqual(answers);
    const lines = printed("ndjson").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(answers);
  });

  test("as text has bars, or the problem", () => {
    expect(printed("text")).toMatch(
      /^my, photo\.jpg\n {2}a "b" █+.*75\.0%\n {2}2x3, m 1\nx\.jpg\n {2}415 no JPEG\ny\.jpg\n {2}is missing\n$/,
    );
  });
});
