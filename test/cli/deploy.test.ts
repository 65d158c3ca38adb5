import { existsSync } from "node:fs";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { planAccess } from "../../cli/commands/deploy-access.ts";
import { type DeployIo, type DeployPlan, deploy } from "../../cli/commands/deploy-steps.ts";
import { type LocalPack, packsFolder } from "../../cli/store/local-pack.ts";
import { bucketNameOf, readProjectConfig } from "../../cli/store/platform-config.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { pushPack } from "../../cli/store/push.ts";
import {
  type RunWrangler,
  requireLogin,
  runDeploy,
  runWrangler,
  type WranglerResult,
} from "../../cli/store/wrangler-cli.ts";
import { setVariable } from "../../cli/store/wrangler-toml.ts";
import { CommandError } from "../../cli/terminal/fail.ts";
import { silentProgress } from "../../cli/terminal/progress.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";

const model = defaultModelName;
const project = readProjectConfig();
const bucket = bucketNameOf(project);
const plan: DeployPlan = {
  ...{ model, folder: path.join(packsFolder, model), project, projectFolder, dryRun: false },
  ...{ access: { open: false, createKey: false }, apiKeys: undefined, terminal: true },
};
const ok: WranglerResult = { code: 0, stdout: "", stderr: "" };

const notDeployed: WranglerResult = {
  code: 1,
  stdout: "",
  stderr: '✘ [ERROR] Worker "edge-resnet" not found.',
};
const secrets = (...names: string[]): WranglerResult => ({
  ...ok,
  stdout: JSON.stringify(names.map((name) => ({ name, type: "secret_text" }))),
});

/** Records the steps in order. A test replaces those that should fail. */
class FakeIo implements DeployIo {
  readonly done: string[] = [];
  readonly bucket = new MemoryBucket();
  /** What `wrangler secret list` answers. */
  secrets = notDeployed;
  /** The content of the file with secrets that wrangler deploy got. */
  stored: unknown;
  said = "";
  capture: DeployIo["capture"] = async (args) => this.#note(args, args[0] === "secret" ? this.secrets : ok);
  show: DeployIo["show"] = async (args) => {
    const option = args.indexOf("--secrets-file");
    const shown = option === -1 ? args : [...args.slice(0, option), "--secrets-file"];
    if (option !== -1) this.stored = JSON.parse(await readFile(args[option + 1]!, "utf8"));
    return this.#note(shown, { code: 0, urls: ["https://edge.example.dev"] });
  };
  requireLogin: DeployIo["requireLogin"] = async () => {
    this.done.push("login?");
  };

  async push(pack: LocalPack, name: string) {
    this.done.push(`push ${pack.manifest.name} to ${name}`);
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

const failure = async (io: DeployIo, changes: Partial<DeployPlan> = {}) => {
  const error = await deploy({ ...plan, ...changes }, io).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).message;
};

/** Runs `work` in a folder with a copy of wrangler.toml, after replacing `from` in it. */
async function withToml(from: string, to: string, work: (changes: Partial<DeployPlan>) => Promise<void>) {
  const folder = await mkdtemp(path.join(tmpdir(), "deploy-"));
  const toml = await readFile(path.join(projectFolder, "wrangler.toml"), "utf8");
  expect(toml).toContain(from);
  await writeFile(path.join(folder, "wrangler.toml"), toml.replace(from, to));
  await work({ projectFolder: folder, project: readProjectConfig(folder) }).finally(() =>
    rm(folder, { recursive: true }),
  );
}

const routesLine = 'routes = [{ pattern = "classify.example.com", custom_domain = true }]';

describe("deploy", () => {
  test("checks, creates the bucket, pushes and deploys, in this order, and says what to check", async () => {
    const io = new FakeIo();
    await deploy(plan, io);
    expect(io.done).toEqual([
      "login?",
      "wrangler secret list --format json",
      `wrangler r2 bucket create ${bucket}`,
      `push ${model} to ${bucket}`,
      "wrangler deploy --secrets-file",
    ]);
    expect(io.bucket.puts.at(-1)).toBe(`${model}/current.json`);
    expect(io.said).toContain('curl -H "Authorization: Bearer $KEY" https://edge.example.dev/readyz');
    expect(io.said).not.toContain("WARNING");
  });

  test("the last line classifies the README's picture at the deployed address", async () => {
    const io = new FakeIo();
    await deploy(plan, io);
    const readme = await readFile(path.join(projectFolder, "README.md"), "utf8");
    const [, picture] = /^curl --data-binary (@\S+) /m.exec(readme)!;
    expect(io.said.trimEnd().split("\n").at(-1)).toBe(
      `  curl -H "Authorization: Bearer $KEY" --data-binary ${picture} "https://edge.example.dev/v1/classify?top_k=3"`,
    );
  });

  test("prints every step with its command in a dry run, and only builds", async () => {
    const io = new FakeIo();
    await deploy({ ...plan, dryRun: true }, io);
    expect(io.done).toEqual(["wrangler deploy --dry-run --outdir dist"]);
    expect(io.said.split("\n").filter((line) => /^\d|\$/.test(line))).toEqual([
      "1/6 check wrangler.toml",
      "    $ npm run doctor",
      `2/6 check the pack ${model}`,
      `    $ npm run model -- info ${model}`,
      "3/6 decide who may call",
      "    $ npx wrangler secret list",
      `4/6 create the bucket ${bucket} if it does not exist`,
      `    $ npx wrangler r2 bucket create ${bucket}`,
      "5/6 push the pack, except for files that the bucket has",
      `    $ npm run model -- push ${model} --remote`,
      "6/6 deploy the Worker",
      "    $ npx wrangler deploy --dry-run --outdir dist",
    ]);
    expect(io.said).toContain("workers.dev, where the Cache API has no effect");
    expect(io.said).toContain("A new Worker gets an API key; existing keys are kept");
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
    io.capture = async (args) => (args[0] === "secret" ? notDeployed : { code: 1, stdout: "", stderr });
    await deploy(plan, io);
    expect(io.said).toContain("    already there\n");
    expect(io.done).toContain(`push ${model} to ${bucket}`);
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
    io.capture = async (args) => (args[0] === "secret" ? notDeployed : { code: 1, stdout: "", stderr });
    expect(await failure(io)).toMatch(expected);
    expect(io.done).toEqual(["login?"]);
  });

  test("fails when the deploy fails, and does not print the closing lines", async () => {
    const io = new FakeIo();
    io.show = async () => ({ code: 3, urls: [] });
    expect(await failure(io)).toMatch(/wrangler deploy failed with exit code 3; see its message above/);
    expect(io.said).not.toContain("readyz");
  });

  test("says before a first push that the account needs a workers.dev subdomain", async () => {
    const io = new FakeIo();
    io.push = async () => Promise.reject(new CommandError("no connection"));
    await failure(io);
    expect(io.said).toMatch(
      /workers\.dev subdomain.* fails after 90 s.*https:\/\/dash\.cloudflare\.com\/\S+/,
    );
  });

  test("a named environment has its own bucket, model and Worker", async () => {
    const staging = `[env.staging]\n[env.staging.vars]\nMODEL_NAME = "other"\n[[env.staging.r2_buckets]]\nbinding = "MODELS"\nbucket_name = "staged"\n`;
    await withToml("[vars]\n", `${staging}\n[vars]\n`, async ({ projectFolder: folder }) => {
      const io = new FakeIo();
      const environment = "staging";
      const inStaging = {
        projectFolder: folder!,
        environment,
        project: readProjectConfig(folder, environment),
      };
      await deploy({ ...plan, ...inStaging }, io);
      expect(io.done.slice(1)).toEqual([
        "wrangler secret list --format json --env staging",
        "wrangler r2 bucket create staged",
        `push ${model} to staged`,
        "wrangler deploy --env staging --secrets-file",
      ]);
      expect(io.said).toContain(`npm run model -- push ${model} --remote --bucket staged`);
      expect(readProjectConfig(folder, environment).vars.MODEL_NAME).toBe(model);
      expect(readProjectConfig(folder).vars.MODEL_NAME).toBe(project.vars.MODEL_NAME);
      expect(() => readProjectConfig(folder, "nix")).toThrow(CommandError);
      expect(() => readProjectConfig(undefined, "nix")).toThrow(/no environment nix; add \[env\.nix\]/);
    });
  });
});

describe("a staging environment", () => {
  /** Runs `work` with routes of production in wrangler.toml, and the recipe of the docs at its end. */
  async function withStaging(change: (recipe: string) => string, work: (folder: string) => Promise<void>) {
    const docs = await readFile(path.join(projectFolder, "docs", "operations.md"), "utf8");
    const recipe = /```toml\n(\[env\.staging\]\n.*?)```/s.exec(docs)![1]!;
    await withToml(`# ${routesLine}\n`, `${routesLine}\n`, async ({ projectFolder: folder }) => {
      await appendFile(path.join(folder!, "wrangler.toml"), `\n${change(recipe)}`);
      await work(folder!);
    });
  }
  const dryRunOf = (folder: string, environment?: string) => ({
    ...{ projectFolder: folder, project: readProjectConfig(folder, environment), environment, dryRun: true },
  });

  test("made as the docs say has a domain, a bucket and a model of its own", async () => {
    await withStaging(
      (recipe) => recipe,
      async (folder) => {
        const io = new FakeIo();
        await deploy({ ...plan, ...dryRunOf(folder, "staging") }, io);
        expect(io.said).toContain("serves classify-staging.example.com; the Cache API works there");
        expect(io.said).not.toContain("warning");
        const staging = readProjectConfig(folder, "staging");
        expect([bucketNameOf(staging), staging.vars.MODEL_NAME]).toEqual([
          "edge-resnet-models-staging",
          "resnet34-v1-7",
        ]);
      },
    );
  });

  test("without routes stops before it takes production's domain; production itself only gets a warning", async () => {
    await withStaging(
      (recipe) => recipe.replace(/^routes.*\n/m, ""),
      async (folder) => {
        expect(readProjectConfig(folder, "staging").routes).toHaveLength(1);
        expect(await failure(new FakeIo(), dryRunOf(folder, "staging"))).toMatch(
          /^env\.staging in wrangler\.toml has no routes, .*; add routes = \[\] below \[env\.staging\]/,
        );
        const io = new FakeIo();
        await deploy({ ...plan, ...dryRunOf(folder) }, io);
        expect(io.said).toContain("warning: env.staging in wrangler.toml has no routes");
      },
    );
  });

  test("with routes = [] is on workers.dev", async () => {
    await withStaging(
      (recipe) => recipe.replace(/^routes.*$/m, "routes = []"),
      async (folder) => {
        const io = new FakeIo();
        await deploy({ ...plan, ...dryRunOf(folder, "staging") }, io);
        expect(io.said).toContain("serves edge-resnet-staging.<your subdomain>.workers.dev");
      },
    );
  });
});

describe("API keys", () => {
  const key = "0123456789abcdef0123456789abcdef";
  const choose = (open: boolean, createKey: boolean) => ({ access: { open, createKey } });

  test("a new Worker gets a key with its first version, which is printed once, before the deployment", async () => {
    const io = new FakeIo();
    const { show } = io;
    let saidBefore = "";
    io.show = (args) => {
      saidBefore = io.said;
      return show(args);
    };
    await deploy(plan, io);
    const { API_KEYS: created } = io.stored as { API_KEYS: string };
    expect(created).toMatch(/^[0-9a-f]{48}$/);
    expect(io.said.split(created)).toHaveLength(2);
    expect(saidBefore).toContain(`export KEY=${created}`);
  });

  test("the commands that are suggested for a named environment name it", () => {
    const staging = { ...plan, environment: "staging" };
    const fix = (protection: "open" | "keys", open: boolean) => {
      try {
        return planAccess(protection, { ...staging, ...choose(open, false) }).text;
      } catch (error) {
        return (error as CommandError).fix;
      }
    };
    expect(fix("open", false)).toContain("npm run deploy -- --env staging --create-key\n");
    expect(fix("keys", true)).toBe("to open it: npx wrangler secret delete API_KEYS --env staging");
  });

  test("existing keys are kept, with and without API_KEYS in the environment", async () => {
    for (const apiKeys of [undefined, key]) {
      const io = new FakeIo();
      io.secrets = secrets("OTHER", "API_KEYS");
      await deploy({ ...plan, apiKeys, terminal: false }, io);
      expect(io.done.at(-1)).toBe("wrangler deploy");
      expect(io.stored).toBeUndefined();
      expect(io.said).toContain("API_KEYS is set: kept");
      expect(io.said).not.toContain("dash.cloudflare.com");
      expect(io.said).toContain("with KEY set to one of your API keys");
    }
  });

  test.each([
    [choose(true, false), /never changes; to open it: npx wrangler secret delete API_KEYS/],
    [choose(false, true), /never changes; to change them: npx wrangler secret put API_KEYS/],
    [choose(true, true), /contradict each other/],
  ])("existing keys and %j: stops", (choice, expected) => {
    expect(() => planAccess("keys", { ...plan, ...choice })).toThrow(expected);
  });

  test("a deployed Worker that is open: stops before it changes anything", async () => {
    for (const apiKeys of [undefined, key]) {
      const io = new FakeIo();
      io.secrets = secrets("OTHER");
      expect(await failure(io, { apiKeys })).toMatch(/no API keys.*--create-key\n.*--open$/);
      expect(io.done).toEqual(["login?", "wrangler secret list --format json"]);
    }
  });

  test("a deployed Worker that is open gets a key on request", async () => {
    const io = new FakeIo();
    io.secrets = secrets();
    await deploy({ ...plan, ...choose(false, true) }, io);
    expect(io.stored).toEqual({ API_KEYS: expect.stringMatching(/^[0-9a-f]{48}$/) });
  });

  test.each([
    ["a new", notDeployed],
    ["an open", secrets()],
  ])("%s Worker stays open on request, with a warning at the end", async (_, state) => {
    const io = new FakeIo();
    io.secrets = state;
    await deploy({ ...plan, ...choose(true, false), terminal: false }, io);
    expect(io.stored).toBeUndefined();
    expect(io.said).toContain("curl https://edge.example.dev/readyz");
    expect(io.said).toContain("WARNING: THE ENDPOINT IS OPEN");
    expect(io.said.trimEnd().endsWith("npm run deploy -- --create-key")).toBe(true);
  });

  test("without a terminal a new Worker takes API_KEYS of the environment, and prints none", async () => {
    const io = new FakeIo();
    await deploy({ ...plan, terminal: false, apiKeys: key }, io);
    expect(io.stored).toEqual({ API_KEYS: key });
    expect(io.said).not.toContain(key);
    expect(() => planAccess("not deployed", { ...plan, terminal: false })).toThrow(
      /without a terminal none can be shown; set API_KEYS in the environment \(openssl/,
    );
  });

  test.each(["", "hunter2"])("refuses API_KEYS=%j of the environment, without repeating it", (apiKeys) => {
    const planned = () => planAccess("not deployed", { ...plan, apiKeys });
    expect(planned).toThrow(/^API_KEYS in the environment is not valid; set it to API keys/);
    if (apiKeys !== "") expect(planned).not.toThrow(apiKeys);
  });

  test("stops when the account does not tell whether there are keys", async () => {
    const io = new FakeIo();
    io.secrets = { code: 1, stdout: "", stderr: "✘ [ERROR] The service is down" };
    expect(await failure(io)).toMatch(
      /^cannot find out whether the Worker has API keys: The service is down;/,
    );
  });
});

describe("wrangler.toml", () => {
  const ofToml = [`# ${routesLine}\n`, `${routesLine}\n`] as const;

  test("its own domain: says that the cache works there, and gives the Worker the host for cache keys", async () => {
    await withToml(...ofToml, async (changes) => {
      const io = new FakeIo();
      await deploy({ ...plan, ...changes, dryRun: true }, io);
      expect(io.said).toContain("serves classify.example.com; the Cache API works there");
      expect(io.done).toEqual([
        "wrangler deploy --var CACHE_HOST:classify.example.com --dry-run --outdir dist",
      ]);
    });
  });

  test("a domain and workers_dev = true: warns that the Worker is public twice", async () => {
    await withToml(ofToml[0], `workers_dev = true\n${ofToml[1]}`, async (changes) => {
      const io = new FakeIo();
      await deploy({ ...plan, ...changes, dryRun: true }, io);
      expect(io.said).toContain("warning: the Worker is public on workers.dev too");
    });
  });

  test("a CACHE_HOST of its own is used as it is", async () => {
    await withToml("[vars]\n", '[vars]\nCACHE_HOST = "a.example.com"\n', async (changes) => {
      const io = new FakeIo();
      const domain = { ...changes.project!, routes: ["b.example.com/*"] };
      await deploy({ ...plan, ...changes, project: domain, dryRun: true }, io);
      expect(io.done).toEqual(["wrangler deploy --dry-run --outdir dist"]);
    });
  });

  test.each([
    ["[observability]\n", "assets.routes"],
    ["[[r2_buckets]]\n", "observability.traces.routes"],
    ["[vars]\n", "vars.routes"],
  ])("routes before or after %j: stops, because wrangler would ignore them", async (table, setting) => {
    const text = setting.startsWith("vars") ? `${table}${routesLine}\n` : `${routesLine}\n${table}`;
    await withToml(table, text, async (changes) => {
      for (const dryRun of [true, false]) {
        const io = new FakeIo();
        expect(await failure(io, { ...changes, dryRun })).toMatch(
          new RegExp(
            `^${setting} in wrangler\\.toml is not a setting.*; move the line above the first \\[table\\]`,
          ),
        );
        expect(io.done).toEqual(dryRun ? [] : ["login?"]);
      }
    });
  });

  test("--model is written to it, and every other line stays as it is", async () => {
    await withToml(`MODEL_NAME = "${model}"`, 'MODEL_NAME = "other" # mine', async (changes) => {
      const file = path.join(changes.projectFolder!, "wrangler.toml");
      const before = await readFile(file, "utf8");
      const dry = new FakeIo();
      await deploy({ ...plan, ...changes, dryRun: true }, dry);
      expect(await readFile(file, "utf8")).toBe(before);
      expect(dry.said).toContain(`would write MODEL_NAME = "${model}"`);
      const io = new FakeIo();
      await deploy({ ...plan, ...changes }, io);
      expect(await readFile(file, "utf8")).toBe(before.replace('"other" # mine', `"${model}" # mine`));
      expect(io.said).toContain(`wrote MODEL_NAME = "${model}" to wrangler.toml: later deploys serve it too`);
      expect(io.done.at(-1)).toBe("wrangler deploy --secrets-file");
    });
  });

  test("without MODEL_NAME or variables: adds the line, or says where it belongs", async () => {
    await withToml(`MODEL_NAME = "${model}"\n`, "", async ({ projectFolder: folder }) => {
      await setVariable("MODEL_NAME", "other", { folder: folder! });
      expect(readProjectConfig(folder).vars.MODEL_NAME).toBe("other");
      const missing = setVariable("MODEL_NAME", "other", { folder: folder!, environment: "nix" });
      await expect(missing).rejects.toThrow(/no table \[env\.nix\.vars\]; add it, with MODEL_NAME = "other"/);
    });
  });
});

test("the addresses of a deployment come from wrangler's output, those on workers.dev last", async () => {
  const targets = [
    "https://edge-resnet.me.workers.dev",
    "classify.example.com (custom domain)",
    "api.example.com/v1/* (zone name: example.com)",
    "*.example.com/*",
    "schedule: */5 * * * *",
  ];
  const run: RunWrangler = async (_, __, env) => {
    await writeFile(env!.WRANGLER_OUTPUT_FILE_PATH!, `${JSON.stringify({ type: "deploy", targets })}\n`);
    return ok;
  };
  expect((await runDeploy(["deploy"], run)).urls).toEqual([
    "https://classify.example.com",
    "https://api.example.com",
    "https://edge-resnet.me.workers.dev",
  ]);
});

describe("deploy with the real wrangler, on a local API", () => {
  let server: Server;
  let requests: string[];
  let buckets: Set<string>;
  let pages: string[];
  /** The bodies that created a version of the Worker. */
  let uploads: string[];
  let run: RunWrangler;

  beforeEach(async () => {
    [requests, buckets, pages, uploads] = [[], new Set(), [], []];
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
    const apiKeys = { name: "API_KEYS", type: "secret_text" };
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
        return uploads.length === 0
          ? fail(404, 10007, "This Worker does not exist on your account.")
          : { result: uploads.some((upload) => upload.includes("API_KEYS")) ? [apiKeys] : [] };
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
        uploads.push(body);
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

  test("creates the bucket, and uploads the Worker with its model and a key; the next deploy finds both", async () => {
    const [first, next] = [new FakeIo(), new FakeIo()];
    for (const io of [first, next]) io.capture = (args) => run(args, "capture");
    first.requireLogin = () => requireLogin(run);
    first.show = (args) => runDeploy(args, run);
    await deploy(plan, first);
    expect(first.said).toContain("    created\n");
    expect(first.said).toContain('"https://edge-resnet.me.workers.dev/v1/classify?top_k=3"');
    const [, key] = /export KEY=(\w+)/.exec(first.said)!;
    // The version has the key from the start: no other request stores it.
    expect(requests.filter((route) => route.startsWith("PUT"))).toHaveLength(1);
    expect(uploads[0]).toContain(`{"name":"API_KEYS","type":"secret_text","text":"${key}"}`);
    expect(uploads[0]).toContain(`{"name":"MODEL_NAME","type":"plain_text","text":"${model}"}`);
    expect(pages).toContain("/index.html");

    await deploy(plan, next);
    expect(next.said).toContain("    already there\n");
    expect(next.said).toContain("API_KEYS is set: kept");
    expect(next.done.at(-1)).toBe("wrangler deploy");
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
    await deploy({ ...plan, dryRun: true }, io);
    expect(requests).toEqual([]);
    expect(existsSync(path.join(outdir, "index.js"))).toBe(true);
    await rm(outdir, { recursive: true });
  });
});
