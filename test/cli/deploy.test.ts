import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DeployIo, deploy } from "../../cli/commands/deploy-steps.ts";
import { type LocalPack, packsFolder } from "../../cli/store/local-pack.ts";
import { pushPack } from "../../cli/store/push.ts";
import {
  type RunWrangler,
  requireLogin,
  runDeploy,
  runWrangler,
  type WranglerResult,
} from "../../cli/store/wrangler-cli.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";

const model = defaultModelName;
const plan = { model, folder: path.join(packsFolder, model), bucket: "weights", dryRun: false };
const ok: WranglerResult = { code: 0, stdout: "", stderr: "" };

/** Records the steps in order. A test replaces those that should fail. */
class FakeIo implements DeployIo {
  readonly done: string[] = [];
  readonly bucket = new MemoryBucket();
  said = "";
  capture: DeployIo["capture"] = async (args) => this.#note(args, ok);
  show: DeployIo["show"] = async (args) => this.#note(args, { code: 0, urls: ["https://edge.example.dev"] });
  requireLogin: DeployIo["requireLogin"] = async () => {
    this.done.push("login?");
  };

  async push(pack: LocalPack) {
    this.done.push(`push ${pack.manifest.name}`);
    return pushPack(this.bucket, pack, silentProgress);
  }

  say(line: string) {
    this.said += `${line}\n`;
  }

  #note<T>(args: readonly string[], result: T): T {
    this.done.push(`wrangler ${args.join(" ")}`);
    return result;
  }
}

const failure = async (io: DeployIo, changes: Partial<typeof plan> = {}) => {
  const error = await deploy({ ...plan, ...changes }, io).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).message;
};

describe("deploy", () => {
  test("checks, creates the bucket, pushes and deploys, in this order, and says what to check", async () => {
    const io = new FakeIo();
    await deploy(plan, io);
    expect(io.done).toEqual([
      "login?",
      "wrangler r2 bucket create weights",
      `push ${model}`,
      "wrangler secret list --format json",
      `wrangler deploy --var MODEL_NAME:${model}`,
    ]);
    expect(io.bucket.puts.at(-1)).toBe(`${model}/current.json`);
    expect(io.said).toContain("curl https://edge.example.dev/readyz");
    expect(io.said).toContain("WARNING: THE ENDPOINT IS OPEN");
    expect(io.said.trimEnd().endsWith("npx wrangler secret put API_KEYS")).toBe(true);
  });

  test("does not warn when there are API keys, and shows them in the curl commands", async () => {
    const io = new FakeIo();
    io.capture = async (args) => ({
      ...ok,
      stdout: args[0] === "secret" ? '[{"name": "API_KEYS", "type": "secret_text"}]' : "",
    });
    await deploy(plan, io);
    expect(io.said).not.toContain("WARNING");
    expect(io.said).toContain('curl -H "Authorization: Bearer $KEY" https://edge.example.dev/readyz');
  });

  test("warns and deploys when the secrets cannot be listed", async () => {
    const io = new FakeIo();
    io.capture = async (args) => (args[0] === "secret" ? { code: 1, stdout: "", stderr: "no Worker" } : ok);
    await deploy(plan, io);
    expect(io.said).toContain("WARNING: THE ENDPOINT IS OPEN");
    expect(io.said).toContain("deployed: https://edge.example.dev");
  });

  test("prints every step with its command in a dry run, and only builds", async () => {
    const io = new FakeIo();
    await deploy({ ...plan, dryRun: true }, io);
    expect(io.done).toEqual([`wrangler deploy --dry-run --outdir dist --var MODEL_NAME:${model}`]);
    expect(io.said.split("\n").filter((line) => /^\d|\$/.test(line))).toEqual([
      `1/5 check the pack ${model}`,
      `    $ npm run model -- info ${model}`,
      "2/5 create the bucket weights if it does not exist",
      "    $ npx wrangler r2 bucket create weights",
      "3/5 push the pack, except for files that the bucket has",
      `    $ npm run model -- push ${model} --remote`,
      "4/5 check whether API keys protect the endpoint",
      "    $ npx wrangler secret list --format json",
      "5/5 deploy the Worker",
      `    $ npx wrangler deploy --var MODEL_NAME:${model}`,
      `    $ npx wrangler deploy --dry-run --outdir dist --var MODEL_NAME:${model}`,
    ]);
    expect(io.said).toContain("dry run: nothing was uploaded, created or deployed");
  });

  test("stops before the first step when nobody is logged in", async () => {
    const io = new FakeIo();
    io.requireLogin = () => requireLogin(async () => ({ code: 1, stdout: '{"loggedIn":false}', stderr: "" }));
    expect(await failure(io)).toMatch(/^not logged in to Cloudflare; run npx wrangler login/);
    expect(io.done).toEqual([]);
  });

  test("stops before any request to Cloudflare when the pack is damaged", async () => {
    const io = new FakeIo();
    expect(await failure(io, { folder: path.join(packsFolder, "nix") })).toMatch(/manifest\.json is missing/);
    expect(io.done).toEqual(["login?"]);
  });

  test("accepts a bucket that already exists", async () => {
    const io = new FakeIo();
    const stderr = "The bucket you tried to create already exists, and you own it. [code: 10004]";
    io.capture = async () => ({ code: 1, stdout: "", stderr });
    await deploy(plan, io);
    expect(io.said).toContain("    already there\n");
    expect(io.done).toContain(`push ${model}`);
  });

  test.each([
    [
      "R2 that is not enabled",
      "Please enable R2 through the Cloudflare Dashboard. [code: 10042]",
      /enable R2 in/,
    ],
    ["a token without permission", "Authentication error [code: 10000]", /^not logged in to Cloudflare/],
    [
      "any other refusal",
      "✘ [ERROR] No more buckets for you\n\n  More text",
      /failed: No more buckets for you; /,
    ],
  ])("stops before the push because of %s", async (_, stderr, expected) => {
    const io = new FakeIo();
    io.capture = async () => ({ code: 1, stdout: "", stderr });
    expect(await failure(io)).toMatch(expected);
    expect(io.done).toEqual(["login?"]);
  });

  test("fails when the deploy fails, and does not print the closing lines", async () => {
    const io = new FakeIo();
    io.show = async () => ({ code: 3, urls: [] });
    expect(await failure(io)).toMatch(/wrangler deploy failed with exit code 3; see its message above/);
    expect(io.said).not.toContain("readyz");
  });
});

describe("deploy with the real wrangler, on a local API", () => {
  let server: Server;
  let requests: string[];
  let buckets: Set<string>;
  let pages: string[];
  let run: RunWrangler;

  beforeEach(async () => {
    [requests, buckets, pages] = [[], new Set(), []];
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const route = `${request.method} ${request.url?.replace("/api", "").split("?")[0]}`;
        requests.push(route);
        const { status = 200, result = null, errors = [] } = answer(route, Buffer.concat(chunks).toString());
        const body = JSON.stringify({ success: status === 200, errors, messages: [], result });
        response.writeHead(status, { "Content-Type": "application/json" }).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const env = { CLOUDFLARE_API_TOKEN: "token", CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${port}/api` };
    // Captured, to keep the test's own output readable.
    run = (args, _, more) => runWrangler(args, "capture", { ...env, ...more });
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  interface ApiAnswer {
    readonly status?: number;
    readonly result?: unknown;
    readonly errors?: readonly { readonly code: number; readonly message: string }[];
  }

  /** Answers as Cloudflare's API does; 404 for routes that are not listed here. */
  function answer(route: string, body: string): ApiAnswer {
    const fail = (status: number, code: number, message: string) => ({ status, errors: [{ code, message }] });
    const script = "/accounts/acc/workers/scripts/edge-resnet";
    switch (route) {
      case "GET /user/tokens/verify":
        return { result: { id: "t", status: "active" } };
      case "GET /user":
        return { result: { email: "a@example.com" } };
      case "GET /accounts":
        return { result: [{ id: "acc", name: "Account" }] };
      case "GET /memberships":
        return { result: [{ account: { id: "acc", name: "Account" } }] };
      case "POST /accounts/acc/r2/buckets": {
        const { name } = JSON.parse(body) as { name: string };
        if (buckets.has(name))
          return fail(409, 10004, "The bucket you tried to create already exists, and you own it.");
        buckets.add(name);
        return { result: {} };
      }
      case "GET /accounts/acc/r2/buckets/edge-resnet-models":
        return buckets.has("edge-resnet-models")
          ? { result: { name: "edge-resnet-models" } }
          : fail(404, 10006, "The specified bucket does not exist.");
      case "GET /accounts/acc/workers/services/edge-resnet":
        return fail(404, 10090, "workers.api.error.service_not_found");
      case `GET ${script}/secrets`:
        return { result: [] };
      case `GET ${script}/deployments`:
        return { result: { deployments: [] } };
      case "GET /accounts/acc/workers/subdomain":
        return { result: { subdomain: "me" } };
      case `POST ${script}/assets-upload-session`: {
        const { manifest } = JSON.parse(body) as { manifest: Record<string, unknown> };
        pages.push(...Object.keys(manifest));
        // No new assets: answer with the token of a finished upload.
        return { result: { jwt: "assets", buckets: [] } };
      }
      case `PUT ${script}`:
        expect(body).toContain(`{"name":"MODEL_NAME","type":"plain_text","text":"${model}"}`);
        return { result: { id: "edge-resnet", startup_time_ms: 10 } };
      case "GET /accounts/acc/workers/workers/edge-resnet":
        return {
          result: { id: "w", name: "edge-resnet", subdomain: { enabled: true, previews_enabled: true } },
        };
      case `POST ${script}/subdomain`:
        return { result: { enabled: true, previews_enabled: true } };
      default:
        return fail(404, 7003, `no route ${route}`);
    }
  }

  test("creates the bucket once, uploads the Worker with its model, and prints its address", async () => {
    for (const expected of ["    created\n", "    already there\n"]) {
      const io = new FakeIo();
      io.requireLogin = () => requireLogin(run);
      io.capture = (args) => run(args, "capture");
      io.show = (args) => runDeploy(args, run);
      await deploy({ ...plan, bucket: "edge-resnet-models" }, io);
      expect(io.said).toContain(expected);
      expect(io.said).toContain("curl https://edge-resnet.me.workers.dev/readyz");
    }
    expect(requests.filter((route) => route.startsWith("PUT"))).toHaveLength(2);
    expect(pages).toContain("/index.html");
  });

  test("sends no request in a dry run, and builds the Worker", async () => {
    const outdir = await mkdtemp(path.join(tmpdir(), "dist-"));
    const io = new FakeIo();
    // Not into dist, which tests of the Worker may be reading.
    io.show = (args) =>
      runDeploy(
        args.map((arg) => (arg === "dist" ? outdir : arg)),
        run,
      );
    await deploy({ ...plan, bucket: "edge-resnet-models", dryRun: true }, io);
    expect(requests).toEqual([]);
    expect(existsSync(path.join(outdir, "index.js"))).toBe(true);
    await rm(outdir, { recursive: true });
  });
});
