/**
 * The npm package: packed, unpacked in another project, type-checked there, and run in workerd. The project is
 * test/consumer with the examples that import the package. Its dependencies are links to this project's, so the test
 * needs no network.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";
import { classify } from "../../examples/client/classify.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { makePhoto } from "../support/photos.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

const run = promisify(execFile);
const examples = ["hono-middleware", "service-binding", "thumbnail"];
/** Packages that the consumer needs in addition to the package's own dependencies. */
const ownDependencies = ["@cloudflare/workers-types", "blurhash", "hono", "jpeg-js"];
let folder: string;
let packed: { files: string[]; bytes: number };
let origin: Server;
let worker: TestWorker;
let teapot: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-consumer-"));
  teapot = Uint8Array.from(await exampleImage("teapot"));
  packed = await pack();
  await install();
  await cp(path.join(projectFolder, "test", "consumer"), folder, { recursive: true });
  for (const name of examples) {
    await cp(path.join(projectFolder, "examples", name), path.join(folder, name), { recursive: true });
  }
  origin = createServer(async (request, response) => {
    const name = path.basename(request.url ?? "", ".jpg");
    response.writeHead(200, { "Content-Type": "image/jpeg" }).end(await exampleImage(name));
  });
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  await setOrigin(`http://127.0.0.1:${(origin.address() as AddressInfo).port}`);
  const configs = [".", ...examples].map((name) => path.join(folder, name, "wrangler.toml"));
  worker = await TestWorker.start({ pack: "embedded", others: configs });
});

afterAll(async () => {
  await worker?.close();
  origin?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Builds and packs the package with `npm pack`. */
async function pack(): Promise<{ files: string[]; bytes: number }> {
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: projectFolder,
  });
  const [report] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [
    { files: { path: string }[]; unpackedSize: number },
  ];
  return { files: report.files.map((file) => file.path), bytes: report.unpackedSize };
}

async function install(): Promise<void> {
  const modules = path.join(folder, "node_modules");
  const target = path.join(modules, "edge-resnet");
  await mkdir(target, { recursive: true });
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  await run("tar", ["-xzf", path.join(folder, tarball!), "-C", target, "--strip-components=1"]);
  const { dependencies } = JSON.parse(await readFile(path.join(target, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of new Set([...Object.keys(dependencies), ...ownDependencies])) {
    await mkdir(path.dirname(path.join(modules, name)), { recursive: true });
    await symlink(path.join(projectFolder, "node_modules", name), path.join(modules, name), "dir");
  }
}

async function setOrigin(url: string): Promise<void> {
  const config = path.join(folder, "hono-middleware", "wrangler.toml");
  const toml = await readFile(config, "utf8");
  await writeFile(config, toml.replace("https://photos.example.com", url));
}

const post = (pathname: string, body: Uint8Array) =>
  [pathname, { method: "POST", body: body as BodyInit }] as const;

describe("the package", () => {
  test("contains JavaScript, types and the kernels, but no model pack, no source and no tests", () => {
    const kinds = new Set(
      packed.files.map((file) => file.replace(/^dist-lib\/.*?(\.d\.ts|\.js)$/, "dist-lib/*$1")),
    );
    expect([...kinds].sort()).toEqual([
      "LICENSE",
      "README.md",
      "dist-lib/*.d.ts",
      "dist-lib/*.js",
      "dist-lib/model/simd/kernels.wasm",
      "docs/edge.md",
      "package.json",
    ]);
    expect(packed.bytes).toBeLessThan(1_000_000);
  });

  test.each([".", "thumbnail"])(
    "type-checks in another project, with its declarations: %s",
    async (project) => {
      const tsc = path.join(projectFolder, "node_modules", "typescript", "bin", "tsc");
      const checked = run(process.execPath, [tsc, "-p", path.join(folder, project)], { cwd: folder });
      const failed = (error: { stdout: string }) => Promise.reject(new Error(error.stdout));
      await expect(checked.catch(failed)).resolves.toMatchObject({ stdout: "" });
    },
  );
});

describe("the classifier in process", () => {
  test("classifies and embeds without a second Worker", async () => {
    const { json } = await worker.ask("in-process", ...post("/compare", teapot));
    expect(json).toEqual({ label: "teapot", size: 512 });
  });

  test("works with classifyImages around a plain handler", async () => {
    const passed = await worker.ask("in-process", ...post("/image", teapot));
    expect(passed.headers.get("X-Image-Label")).toBe("teapot");
    const blocked = await worker.ask("in-process", ...post("/image", await exampleImage("ladybug")));
    expect([blocked.status, blocked.json.code]).toEqual([403, "image_blocked"]);
  });

  test("can serve the whole HTTP API", async () => {
    const { json } = await worker.ask("in-process", ...post("/v1/classify?top_k=1", teapot));
    expect(json.predictions).toMatchObject([{ label: "teapot" }]);
  });
});

describe("examples/hono-middleware", () => {
  test("labels a photograph without changing its bytes", async () => {
    const response = await worker.askRaw("photos", "/photos/teapot.jpg");
    expect(response.headers.get("X-Image-Label")).toBe("teapot");
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(teapot);
  });

  test("blocks a label", async () => {
    const { status, json } = await worker.ask("photos", "/photos/espresso.jpg");
    expect([status, json.code]).toEqual([403, "image_blocked"]);
  });
});

describe("examples/service-binding", () => {
  test("returns what an upload shows", async () => {
    const { json } = await worker.ask("uploads", ...post("/", teapot));
    expect(json).toEqual({ shows: "teapot", model: defaultModelName });
  });

  test("returns an error with its status", async () => {
    const { status, json } = await worker.ask("uploads", ...post("/", new TextEncoder().encode("hello")));
    expect([status, json.code]).toEqual([415, "unsupported_image"]);
  });

  test("answers like Workers AI", async () => {
    const { text } = await worker.ask("uploads", ...post("/workers-ai", teapot));
    expect((JSON.parse(text) as { label: string }[])[0]?.label).toBe("teapot");
  });
});

describe("examples/thumbnail", () => {
  test("makes a thumbnail and a blurhash of a progressive JPEG of 24 megapixels, and of a PNG", async () => {
    const jpeg = await makePhoto({ width: 6000, height: 4000, progressive: true, seed: 1 });
    const png = new Uint8Array(await sharp(teapot).png().toBuffer());
    for (const [image, size, thumbnail] of [
      [jpeg, "6000x4000", { width: 384, height: 256 }],
      [png, "1200x900", { width: 341, height: 256 }],
    ] as const) {
      const response = await worker.askRaw("thumbnails", ...post("/", image));
      expect(response.status).toBe(200);
      expect(response.headers.get("X-Original-Size")).toBe(size);
      expect(response.headers.get("X-Blurhash")).toMatch(/^\S{28}$/);
      expect(await sharp(await response.arrayBuffer()).metadata()).toMatchObject({
        format: "jpeg",
        ...thumbnail,
      });
    }
  });

  test("answers what is no image with 422 and the reason", async () => {
    const response = await worker.askRaw("thumbnails", ...post("/", new TextEncoder().encode("hello")));
    expect([response.status, await response.text()]).toEqual([
      422,
      expect.stringMatching(/^The body is text; expected/),
    ]);
  });
});

describe("examples/client", () => {
  test("returns the predictions, best first", async () => {
    const predictions = await classify(worker.url.href, teapot, { topK: 2 });
    expect(predictions).toMatchObject([{ label: "teapot" }, {}]);
  });

  test("throws an error with the code and the detail", async () => {
    const text = new TextEncoder().encode("hello");
    await expect(classify(worker.url.href, text)).rejects.toThrow(/^unsupported_image: The body is text/);
  });

  test("runs from the command line", async () => {
    const args = ["examples/client/classify.ts", worker.url.href, "examples/images/teapot.jpg"];
    const { stdout } = await run(process.execPath, args, { cwd: projectFolder });
    expect(stdout).toMatch(/^ *\d+\.\d % {2}teapot\n/);
    expect(stdout.trim().split("\n")).toHaveLength(5);
  });
});
