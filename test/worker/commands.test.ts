/** The README's commands, run like a user runs them. */
import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import sharp from "sharp";
import { afterEach, describe, expect, test } from "vitest";
import { projectFolder } from "../../cli/store/project.ts";

const children: ChildProcess[] = [];
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function run(tool: string, args: string[], cwd = projectFolder) {
  const child = spawn(process.execPath, [path.join("cli", tool), ...args], {
    cwd,
    env: { ...process.env, INIT_CWD: cwd, NO_COLOR: "1" },
  });
  children.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output += stripVTControlCharacters(String(data));
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const finished = exited.then((code) => ({ code, output }));
  const until = async (pattern: RegExp) => {
    const deadline = Date.now() + 60_000;
    while (!pattern.test(output)) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error(`no ${pattern} in:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return output;
  };
  return { child, finished, until };
}

function listen(): Promise<{ server: Server; port: number }> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () =>
      resolve({ server, port: (server.address() as { port: number }).port }),
    );
  });
}

async function freePort(): Promise<number> {
  const { server, port } = await listen();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("classify", () => {
  test("prints bars for each file, and the error of one that is no image, with exit code 1", async () => {
    const { code, output } = await run("classify.ts", [
      "examples/images/teapot.jpg",
      "package.json",
      "examples/images/ladybug.jpg",
    ]).finished;
    expect(output).toMatch(/teapot\.jpg\n {2}teapot +█+.* 9\d\.\d%/);
    expect(output).toMatch(/415 The body is .*expected a JPEG/);
    expect(output).toMatch(/ladybug\.jpg\n {2}ladybug +█+/);
    expect(code).toBe(1);
  });

  test("--json prints the Worker's answers for a folder of every format, with the requested number of predictions", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "classify-"));
    cleanups.push(() => rm(folder, { recursive: true }));
    const espresso = sharp(path.join(projectFolder, "examples", "images", "espresso.jpg")).resize(320);
    const files = ["a.jpg", "b.png", "c.webp", "d.gif"];
    for (const file of files) await espresso.clone().toFile(path.join(folder, file));
    const { code, output } = await run("classify.ts", ["--json", "--top-k", "2", folder]).finished;
    const answers = JSON.parse(output) as {
      file: string;
      status: number;
      body: { predictions: { label: string }[] };
    }[];
    expect(answers.map(({ file, status }) => [path.basename(file), status])).toEqual(
      files.map((file) => [file, 200]),
    );
    for (const { file, body } of answers) {
      expect(
        body.predictions.map(({ label }) => label),
        file,
      ).toEqual(["espresso", expect.any(String)]);
    }
    expect(code).toBe(0);
  });

  test("a missing file: one line, exit code 1", async () => {
    const missing = await run("classify.ts", ["nothing.jpg"]).finished;
    expect(missing).toEqual({
      code: 1,
      output: "error: nothing.jpg is missing; expected an image file, a folder, a URL or -\n",
    });
  });
});

describe("start", () => {
  test("serves; the printed curl command works; a second start uploads nothing", async () => {
    const port = await freePort();
    const first = run("start.ts", ["--port", String(port)]);
    const output = await first.until(/curl .*\n/);
    expect(output).not.toMatch(/\n\s+at /);
    const curl = /curl --data-binary @(\S+) "([^"]+)"/.exec(output);
    const [, file, url] = curl ?? [];
    const shell = spawn("curl", ["-s", "--data-binary", `@${file}`, url ?? ""], { cwd: projectFolder });
    children.push(shell);
    let answer = "";
    for await (const data of shell.stdout) answer += data;
    const { predictions } = JSON.parse(answer) as { predictions: { label: string }[] };
    expect(predictions.map(({ label }) => label)[0]).toBe("teapot");
    expect(predictions).toHaveLength(3);

    const asked = run("classify.ts", ["-", "--worker", `http://localhost:${port}`, "--format", "csv"]);
    createReadStream(path.join(projectFolder, "examples/images/espresso.jpg")).pipe(asked.child.stdin);
    const { code, output: csv } = await asked.finished;
    expect(csv).toMatch(/^file,status,rank,id,label,score,error\r\n-,200,1,[^,]+,espresso,0\.\d+,\r\n/);
    expect(code).toBe(0);

    first.child.kill("SIGINT");
    await first.finished;
    const second = run("start.ts", ["--port", String(port)]);
    expect(await second.until(/curl .*\n/)).toContain("already in the local bucket");
  });

  test("with --pictures labels a folder through the local queue, and names the page that shows it", async () => {
    const port = await freePort();
    const folder = path.join("examples", "images");
    const { child, until, finished } = run("start.ts", ["--port", String(port), "--pictures", folder]);
    cleanups.push(() => rm(path.join(projectFolder, "wrangler.pictures.toml"), { force: true }));
    const output = await until(/your pictures: .*\n/);
    expect(output).toContain("4 files imported");
    expect(output).toContain(`your pictures: http://localhost:${port}/pictures`);
    const answer = await fetch(`http://localhost:${port}/v1/pictures?key=teapot.jpg`);
    const { pictures } = (await answer.json()) as { pictures: { predictions: { label: string }[] }[] };
    expect(pictures[0]?.predictions[0]?.label).toBe("teapot");
    child.kill("SIGINT");
    await finished;
  });

  test("with --pictures and a folder without pictures: one line, exit code 1", async () => {
    const port = await freePort();
    const { code, output } = await run("start.ts", ["--port", String(port), "--pictures", "docs/plots"])
      .finished;
    expect(output).toMatch(/^error: The folder .* has no \.jpg/);
    expect(code).toBe(1);
  });

  test("a port in use: one line that names it, exit code 1", async () => {
    const { server, port } = await listen();
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { code, output } = await run("start.ts", ["--port", String(port)]).finished;
    expect(output).toBe(
      `error: port ${port} is in use by another program, or requires more rights; stop it, or choose another: npm start -- --port ${port + 1}\n`,
    );
    expect(code).toBe(1);
  });

  test("a missing pack: one line that lists the existing ones, exit code 1", async () => {
    const port = await freePort();
    const { code, output } = await run("start.ts", ["--port", String(port), "--model", "nix"]).finished;
    expect(output).toMatch(/^error: there is no pack nix: .*available: .*resnet34-tiny-imagenet/);
    expect(code).toBe(1);
  });
});
