/** Runs the examples as their first lines say. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import { embeddedPack, exampleImage, TestWorker } from "../support/worker.ts";

let worker: TestWorker;
let origin: Server;
let teapot: Uint8Array;

beforeAll(async () => {
  teapot = await exampleImage("teapot");
  origin = createServer((request, response) => {
    if (request.url === "/photos/teapot.jpg")
      response.writeHead(200, { "Content-Type": "image/jpeg" }).end(teapot);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  const { port } = origin.address() as { port: number };
  worker = await TestWorker.start({
    pack: "embedded",
    vars: { IMAGE_ORIGIN: `http://127.0.0.1:${port}/photos` },
  });
});

afterAll(async () => {
  await worker?.close();
  origin?.close();
});

/** The PATH of a user's shell: npm and vitest put the project's own programs first. */
const userPath = process.env
  .PATH!.split(path.delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .join(path.delimiter);

function run(script: string, ...args: string[]) {
  return execute("sh", `examples/${script}`, worker.url.origin, ...args);
}

function execute(program: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env, PATH: userPath };
  const child = spawn(program, args, { cwd: projectFolder, env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output += data;
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

test("examples/curl classifies one image, then two at once, and embeds one", async () => {
  const { code, output } = await run("curl/classify.sh");
  expect(code, output).toBe(0);
  const [one, two, features] = output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  expect(one.predictions[0].label).toBe("teapot");
  expect(two.results.map((result: typeof one) => result.predictions[0].label)).toEqual([
    "ladybug",
    "espresso",
  ]);
  expect(Buffer.from(features.embedding, "base64")).toHaveLength(
    4 * (await embeddedPack()).manifest.feature_size,
  );
});

test("examples/image-cdn fetches an image through the Worker, with labels in its headers", async () => {
  const { code, output } = await run("image-cdn/labels.sh", "teapot.jpg");
  expect(code, output).toBe(0);
  expect(output).toContain(`teapot.jpg: ${teapot.length} bytes`);
  expect(output).toMatch(/x-image-label: teapot/i);
  expect(output).toMatch(/"predictions":\[\{"label":"teapot"/);
});

test("examples/client classifies an image, with the command of its first lines", async () => {
  const source = await readFile(path.join(projectFolder, "examples/client/classify.ts"), "utf8");
  const [, command, rest] = /^ \* +(\S.*)http:\/\/localhost:8787(.*)$/m.exec(source) ?? [];
  const { code, output } = await execute("sh", "-c", `${command}${worker.url.origin}${rest}`);
  expect(code, output).toBe(0);
  expect(output).toMatch(/^ *\d\d\.\d % {2}teapot\n/);
});
