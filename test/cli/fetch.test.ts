import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchModel } from "../../cli/fetch/fetch-model.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import {
  content,
  cut,
  FetchServer,
  firstHalf,
  good,
  type Handler,
  half,
  hang,
  inTurn,
  type Seen,
  sha256,
  status,
} from "./fetch-server.ts";

const options = { stallMs: 500, retryDelayMs: 1 };
let server: FetchServer;
let routes: Record<string, Handler>;
let seen: Seen[];
let origin: string;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fetch-"));
  server = await FetchServer.start();
  ({ routes, seen, origin } = server);
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const target = () => path.join(folder, "model.onnx");
const partSize = () => stat(`${target()}.part`).then(({ size }) => size);
const run = (...paths: string[]) => {
  const urls = paths.map((p) => (p.startsWith("http") ? p : `${origin}${p}`));
  const model = { name: "model", file: "model.onnx", bytes: content.length, sha256, urls };
  return fetchModel(model, folder, silentProgress, options);
};
const failure = async (...paths: string[]) => {
  const error = await run(...paths).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CommandError);
  expect(existsSync(target()), "a file under the model's name").toBe(false);
  return (error as CommandError).message;
};

describe("fetch", () => {
  test("downloads a file whole and leaves nothing else behind", async () => {
    routes["/a"] = good();
    const report = await run("/a");
    expect(report).toEqual({
      ...{ name: "model", file: target(), bytes: content.length, sha256 },
      ...{ cached: false, moved_aside: null, url: `${origin}/a`, downloaded_bytes: content.length },
    });
    expect(content.equals(await readFile(target()))).toBe(true);
    for (const ending of [".part", ".part.json", ".lock"]) {
      expect(existsSync(target() + ending), ending).toBe(false);
    }
  });

  test("a second run uses the file that is here, without a request", async () => {
    routes["/a"] = good();
    await run("/a");
    seen.length = 0;
    expect(await run("/a")).toMatchObject({ cached: true, url: null, downloaded_bytes: 0 });
    expect(seen).toEqual([]);
  });

  test("a file of that name with other content is moved aside, never used", async () => {
    await writeFile(target(), "something dear to somebody");
    routes["/a"] = good();
    expect(await run("/a")).toMatchObject({ cached: false, moved_aside: `${target()}.wrong` });
    expect(content.equals(await readFile(target()))).toBe(true);
    expect(await readFile(`${target()}.wrong`, "utf8")).toBe("something dear to somebody");
  });

  test("cut off halfway, it goes on from there: asks by Range, transfers each byte once", async () => {
    routes["/a"] = inTurn(firstHalf(cut), good());
    expect(await run("/a")).toMatchObject({ downloaded_bytes: content.length });
    expect(seen).toEqual([
      { path: "/a", range: undefined, ifRange: undefined },
      { path: "/a", range: `bytes=${half}-`, ifRange: '"one"' },
    ]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("a weak ETag is not used to go on", async () => {
    routes["/a"] = inTurn(firstHalf(cut, 'W/"one"'), good());
    await run("/a");
    expect(seen[1]).toEqual({ path: "/a", range: `bytes=${half}-`, ifRange: undefined });
  });

  test("what changed on the server meanwhile is downloaded anew", async () => {
    routes["/a"] = inTurn(firstHalf(cut, '"old"'), good(content, '"new"'));
    expect(await run("/a")).toMatchObject({ downloaded_bytes: half + content.length });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("a server that ignores Range and sends everything: from the start, nothing doubled", async () => {
    routes["/a"] = inTurn(firstHalf(cut), (_, response) => response.writeHead(200).end(content));
    expect(await run("/a")).toMatchObject({ downloaded_bytes: half + content.length });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("a server that always cuts at the same place is given up", async () => {
    routes["/a"] = firstHalf(cut);
    expect(await failure("/a")).toMatch(/cut the connection/);
    expect(seen).toHaveLength(2);
  });

  test("the next mirror goes on where the first was cut off", async () => {
    routes["/a"] = inTurn(firstHalf(cut), status(500));
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b`, downloaded_bytes: content.length });
    expect(seen.at(-1)).toEqual({ path: "/b", range: `bytes=${half}-`, ifRange: undefined });
  });

  test("a mirror that goes on from another's wrong first half serves it all instead", async () => {
    const wrong = firstHalf(cut, '"one"', Buffer.alloc(content.length));
    routes["/a"] = inTurn(wrong, status(500));
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("a wrong hash: the file is thrown away and the next mirror asked for all of it", async () => {
    routes["/a"] = good(Buffer.alloc(content.length));
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
    expect(seen.map(({ path: p, range }) => [p, range])).toEqual([
      ["/a", undefined],
      ["/b", undefined],
    ]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("a wrong hash everywhere: no file, not even a part of one", async () => {
    routes["/a"] = good(Buffer.alloc(content.length));
    const wrong = createHash("sha256").update(Buffer.alloc(content.length)).digest("hex");
    expect(await failure("/a")).toContain(`its SHA-256 is ${wrong}; expected ${sha256}`);
    expect(existsSync(`${target()}.part`)).toBe(false);
  });

  test("404: the next mirror", async () => {
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
  });

  test("another length than expected is refused before anything is stored", async () => {
    routes["/a"] = good(content.subarray(0, half));
    expect(await failure("/a")).toContain(`offers ${half} bytes; expected ${content.length}`);
    expect(existsSync(`${target()}.part`)).toBe(false);
  });

  test("a body that ends early without a length is no file; its bytes are kept for the next run", async () => {
    routes["/a"] = (_, response) => {
      response.flushHeaders();
      response.end(content.subarray(0, half));
    };
    expect(await failure("/a")).toContain(`ended after ${half} of ${content.length} bytes`);
    expect(await partSize()).toBe(half);
  });

  test("a body without end is cut at the expected size", async () => {
    routes["/a"] = (_, response) => {
      const more = () => {
        if (!response.destroyed) response.write(content, () => setImmediate(more));
      };
      more();
    };
    expect(await failure("/a")).toContain(`sends more than the expected ${content.length} bytes`);
    expect(existsSync(`${target()}.part`)).toBe(false);
  });

  test.each([
    ["says nothing", hang],
    ["stops in the middle", firstHalf(hang)],
  ] as [string, Handler][])("a mirror that %s is left for the next", async (_, handler) => {
    routes["/a"] = handler;
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("redirects are followed, to another host too, and keep the Range", async () => {
    const other = origin.replace("127.0.0.1", "localhost");
    routes["/a"] = status(302, { Location: `${other}/cdn` });
    routes["/cdn"] = good();
    await writeFile(`${target()}.part`, content.subarray(0, half));
    expect(await run("/a")).toMatchObject({ url: `${origin}/a`, downloaded_bytes: half });
    expect(seen.map(({ path: p, range }) => [p, range])).toEqual([
      ["/a", `bytes=${half}-`],
      ["/cdn", `bytes=${half}-`],
    ]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("416 without a size: once more from the start", async () => {
    await writeFile(`${target()}.part`, content.subarray(0, half));
    routes["/a"] = inTurn(status(416), good());
    expect(await run("/a")).toMatchObject({ downloaded_bytes: content.length });
    expect(seen.map(({ range }) => range)).toEqual([`bytes=${half}-`, undefined]);
  });

  test("416 with another size: the next mirror, and the part stays", async () => {
    await writeFile(`${target()}.part`, content.subarray(0, half));
    routes["/a"] = status(416, { "Content-Range": "bytes */9" });
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ downloaded_bytes: half });
  });

  test("206 from another place than asked for is refused", async () => {
    await writeFile(`${target()}.part`, content.subarray(0, half));
    routes["/a"] = (_, response) => {
      const contentRange = `bytes 0-${content.length - 1}/${content.length}`;
      response.writeHead(206, { "Content-Range": contentRange }).end(content);
    };
    expect(await failure("/a")).toContain(`answered with bytes from 0; asked for those from ${half}`);
    expect(await partSize()).toBe(half);
  });

  test("a part that is longer than the file is not gone on from", async () => {
    await writeFile(`${target()}.part`, Buffer.alloc(content.length + 1));
    routes["/a"] = good();
    expect(await run("/a")).toMatchObject({ downloaded_bytes: content.length });
    expect(seen[0]?.range).toBeUndefined();
  });

  test("stopped between the last byte and the new name: verified without a request", async () => {
    await writeFile(`${target()}.part`, content);
    expect(await run("/a")).toMatchObject({ cached: false, downloaded_bytes: 0 });
    expect(seen).toEqual([]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("no network: each mirror with its reason, and how to use a file of one's own", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    const dead = `http://127.0.0.1:${port}/model.onnx`;
    expect(await failure(dead, "/nothing")).toBe(
      `model could not be downloaded:\n  ${dead}\n    refused the connection (ECONNREFUSED)\n` +
        `  ${origin}/nothing\n    answered 404 Not Found\n` +
        "Run the same command again to resume, " +
        "or use a file of your own: npm run model -- pack path/to/file.onnx",
    );
  });

  test("two at once: the second is told so", async () => {
    routes["/a"] = firstHalf(hang);
    routes["/b"] = good();
    const first = run("/a", "/b");
    while (!existsSync(`${target()}.part`)) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(run("/b")).rejects.toThrow(`process ${process.pid} is downloading the same file`);
    await first;
  });

  test("a folder that cannot be written: a clear line", async () => {
    await writeFile(path.join(folder, "file"), "");
    const model = { name: "m", file: "m", bytes: 1, sha256, urls: [`${origin}/a`] };
    await expect(
      fetchModel(model, path.join(folder, "file", "below"), silentProgress, options),
    ).rejects.toThrow(
      /cannot be written \(ENOTDIR\); expected a folder for downloads: choose another with --to/,
    );
  });
});
