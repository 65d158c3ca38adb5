/** The `fetch` command and its catalogue. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheFolder, catalogue } from "../../cli/fetch/catalogue.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { content, FetchServer, firstHalf, good, half, hang, inTurn, sha256 } from "./fetch-server.ts";

let server: FetchServer;
let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fetch-"));
  server = await FetchServer.start();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await server.close();
  await rm(folder, { recursive: true });
});

describe("the command", () => {
  const fetchArgs = () => [
    ...["cli/model.ts", "fetch", "resnet34-v1-7", "--to", folder, "--url", `${server.origin}/a`],
    ...["--sha256", sha256, "--bytes", String(content.length), "--json"],
  ];
  const command = () => {
    const child = spawn(process.execPath, fetchArgs(), { cwd: projectFolder });
    children.push(child);
    let stdout = "";
    child.stdout.on("data", (data: Buffer) => {
      stdout += data;
    });
    const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
    return { child, exited, stdout: () => stdout };
  };

  test("resumes after it was killed halfway", async () => {
    server.routes["/a"] = inTurn(firstHalf(hang), good());
    const part = path.join(folder, "resnet34-v1-7.onnx.part");
    const first = command();
    while ((await stat(part).catch(() => undefined))?.size !== half) {
      expect(first.child.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    first.child.kill("SIGKILL");
    await first.exited;
    expect(existsSync(path.join(folder, "resnet34-v1-7.onnx"))).toBe(false);

    const second = command();
    expect(await second.exited).toBe(0);
    expect(JSON.parse(second.stdout())).toMatchObject({ cached: false, downloaded_bytes: half });
    expect(server.seen[1]).toEqual({ path: "/a", range: `bytes=${half}-`, ifRange: '"one"' });
    expect(content.equals(await readFile(path.join(folder, "resnet34-v1-7.onnx")))).toBe(true);
  });
});

describe("the catalogue", () => {
  test("has the size, hash and mirrors of resnet34-v1-7", () => {
    const entry = catalogue.find(({ name }) => name === "resnet34-v1-7");
    expect(entry).toMatchObject({
      bytes: 87_302_588,
      sha256: "883a41b2e30ddc2e422c108b091b5e70b92d37dc5c345a2c563dcae27971e2cc",
    });
    expect(entry?.urls.map((url) => new URL(url).host)).toEqual([
      "huggingface.co",
      "huggingface.co",
      "media.githubusercontent.com",
    ]);
  });

  test("is kept in the folder that XDG specifies, or in the home folder", () => {
    expect(cacheFolder({ XDG_CACHE_HOME: "/somewhere" })).toBe(path.join("/somewhere", "edge-resnet"));
    const home = cacheFolder({});
    expect(home.endsWith(path.join(".cache", "edge-resnet"))).toBe(true);
    expect(cacheFolder({ XDG_CACHE_HOME: "relative" })).toBe(home);
  });
});
