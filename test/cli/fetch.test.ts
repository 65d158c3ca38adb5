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
  test("downloads the file and leaves no other files", async () => {
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

  test("uses an existing file without a request", async () => {
    routes["/a"] = good();
    await run("/a");
    seen.length = 0;
    expect(await run("/a")).toMatchObject({ cached: true, url: null, downloaded_bytes: 0 });
    expect(seen).toEqual([]);
  });

  test("moves a file of that name with other content aside", async () => {
    await writeFile(target(), "something else");
    routes["/a"] = good();
    expect(await run("/a")).toMatchObject({ cached: false, moved_aside: `${target()}.wrong` });
    expect(content.equals(await readFile(target()))).toBe(true);
    expect(await readFile(`${target()}.wrong`, "utf8")).toBe("something else");
  });

  test("interrupted halfway, it resumes with a Range request and transfers each byte once", async () => {
    routes["/a"] = inTurn(firstHalf(cut), good());
    expect(await run("/a")).toMatchObject({ downloaded_bytes: content.length });
    expect(seen).toEqual([
      { path: "/a", range: undefined, ifRange: undefined },
      { path: "/a", range: `bytes=${half}-`, ifRange: '"one"' },
    ]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("does not resume with a weak ETag", async () => {
    routes["/a"] = inTurn(firstHalf(cut, 'W/"one"'), good());
    await run("/a");
    expect(seen[1]).toEqual({ path: "/a", range: `bytes=${half}-`, ifRange: undefined });
  });

  test("starts again when the file has changed on the server", async () => {
    routes["/a"] = inTurn(firstHalf(cut, '"old"'), good(content, '"new"'));
    expect(await run("/a")).toMatchObject({ downloaded_bytes: half + content.length });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("starts again when a server ignores Range and sends the whole file", async () => {
    routes["/a"] = inTurn(firstHalf(cut), (_, response) => response.writeHead(200).end(content));
    expect(await run("/a")).toMatchObject({ downloaded_bytes: half + content.length });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("gives up a server that always cuts the connection at the same place", async () => {
    routes["/a"] = firstHalf(cut);
    expect(await failure("/a")).toMatch(/cut the connection/);
    expect(seen).toHaveLength(2);
  });

  test("continues from the next mirror where the first one failed", async () => {
    routes["/a"] = inTurn(firstHalf(cut), status(500));
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b`, downloaded_bytes: content.length });
    expect(seen.at(-1)).toEqual({ path: "/b", range: `bytes=${half}-`, ifRange: undefined });
  });

  test("downloads the whole file when another mirror's first half was wrong", async () => {
    const wrong = firstHalf(cut, '"one"', Buffer.alloc(content.length));
    routes["/a"] = inTurn(wrong, status(500));
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("deletes a file with a wrong hash, and downloads all of it from the next mirror", async () => {
    routes["/a"] = good(Buffer.alloc(content.length));
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
    expect(seen.map(({ path: p, range }) => [p, range])).toEqual([
      ["/a", undefined],
      ["/b", undefined],
    ]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("leaves no file when every mirror has a wrong hash", async () => {
    routes["/a"] = good(Buffer.alloc(content.length));
    const wrong = createHash("sha256").update(Buffer.alloc(content.length)).digest("hex");
    expect(await failure("/a")).toContain(`its SHA-256 is ${wrong}; expected ${sha256}`);
    expect(existsSync(`${target()}.part`)).toBe(false);
  });

  test("continues with the next mirror after a 404", async () => {
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
  });

  test("refuses an unexpected length before storing anything", async () => {
    routes["/a"] = good(content.subarray(0, half));
    expect(await failure("/a")).toContain(`offers ${half} bytes; expected ${content.length}`);
    expect(existsSync(`${target()}.part`)).toBe(false);
  });

  test("keeps the bytes of a body that ends early for the next run", async () => {
    routes["/a"] = (_, response) => {
      response.flushHeaders();
      response.end(content.subarray(0, half));
    };
    expect(await failure("/a")).toContain(`ended after ${half} of ${content.length} bytes`);
    expect(await partSize()).toBe(half);
  });

  test("stops an endless body at the expected size", async () => {
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
    ["sends nothing", hang],
    ["stops in the middle", firstHalf(hang)],
  ] as [string, Handler][])("continues with the next mirror when one %s", async (_, handler) => {
    routes["/a"] = handler;
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ url: `${origin}/b` });
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("follows redirects, to another host too, and keeps the Range", async () => {
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

  test("starts again after a 416 without a size", async () => {
    await writeFile(`${target()}.part`, content.subarray(0, half));
    routes["/a"] = inTurn(status(416), good());
    expect(await run("/a")).toMatchObject({ downloaded_bytes: content.length });
    expect(seen.map(({ range }) => range)).toEqual([`bytes=${half}-`, undefined]);
  });

  test("continues with the next mirror after a 416 with another size, and keeps the part", async () => {
    await writeFile(`${target()}.part`, content.subarray(0, half));
    routes["/a"] = status(416, { "Content-Range": "bytes */9" });
    routes["/b"] = good();
    expect(await run("/a", "/b")).toMatchObject({ downloaded_bytes: half });
  });

  test("refuses a 206 from another position than requested", async () => {
    await writeFile(`${target()}.part`, content.subarray(0, half));
    routes["/a"] = (_, response) => {
      const contentRange = `bytes 0-${content.length - 1}/${content.length}`;
      response.writeHead(206, { "Content-Range": contentRange }).end(content);
    };
    expect(await failure("/a")).toContain(`answered with bytes from 0; asked for those from ${half}`);
    expect(await partSize()).toBe(half);
  });

  test("does not resume a part that is longer than the file", async () => {
    await writeFile(`${target()}.part`, Buffer.alloc(content.length + 1));
    routes["/a"] = good();
    expect(await run("/a")).toMatchObject({ downloaded_bytes: content.length });
    expect(seen[0]?.range).toBeUndefined();
  });

  test("verifies a complete part without a request", async () => {
    await writeFile(`${target()}.part`, content);
    expect(await run("/a")).toMatchObject({ cached: false, downloaded_bytes: 0 });
    expect(seen).toEqual([]);
    expect(content.equals(await readFile(target()))).toBe(true);
  });

  test("names each mirror with its fault, and how to use a file of your own", async () => {
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

  test("refuses to download the same file twice at once", async () => {
    routes["/a"] = firstHalf(hang);
    routes["/b"] = good();
    const first = run("/a", "/b");
    while (!existsSync(`${target()}.part`)) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(run("/b")).rejects.toThrow(`process ${process.pid} is downloading the same file`);
    await first;
  });

  test("names a folder that cannot be written", async () => {
    await writeFile(path.join(folder, "file"), "");
    const model = { name: "m", file: "m", bytes: 1, sha256, urls: [`${origin}/a`] };
    await expect(
      fetchModel(model, path.join(folder, "file", "below"), silentProgress, options),
    ).rejects.toThrow(
      /cannot be written \(ENOTDIR\); expected a folder for downloads; choose another with --to/,
    );
  });
});
