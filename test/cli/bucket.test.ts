/** `npm run bucket` against a small server, and `setup` against a wrangler that answers what a test says. */
import { createServer, type Server } from "node:http";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { PicturesApi } from "../../cli/pictures/api.ts";
import { enabledConfig, picturesConfig } from "../../cli/pictures/local.ts";
import { runSetup, setupPlan } from "../../cli/pictures/setup.ts";
import { readProjectConfig } from "../../cli/store/platform-config.ts";
import { withFolder } from "../../cli/store/project.ts";
import { sendTo } from "../../cli/store/worker-http.ts";
import type { RunWrangler, WranglerResult } from "../../cli/store/wrangler-cli.ts";

interface Received {
  readonly url: string;
  readonly body: string;
  readonly authorization: string | undefined;
}

let server: Server | undefined;
afterEach(() => void server?.close());

/** Answers each request with the next of `answers`. */
async function api(answers: readonly { status: number; body: object; headers?: Record<string, string> }[]) {
  const received: Received[] = [];
  const remaining = answers.values();
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    received.push({ url: request.url ?? "", body, authorization: request.headers.authorization });
    const { status, body: json, headers } = remaining.next().value!;
    response.writeHead(status, headers).end(JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { received, client: new PicturesApi(sendTo(`http://127.0.0.1:${port}`, "a-key-0123456789")) };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("the commands", () => {
  test("follow the cursor to the last page, with the key", async () => {
    const page = (cursor: string | null) => ({ status: 200, body: { listed: 1000, enqueued: 5, cursor } });
    const { received, client } = await api([page("abc"), page("def"), page(null)]);
    expect(await collect(client.labelPages({ prefix: "a/", stale: true }))).toHaveLength(3);
    expect(received.map(({ body }) => JSON.parse(body))).toEqual([
      { prefix: "a/", stale: true },
      { prefix: "a/", stale: true, cursor: "abc" },
      { prefix: "a/", stale: true, cursor: "def" },
    ]);
    expect(received[0]?.authorization).toBe("Bearer a-key-0123456789");
  });

  test("try again when the Worker answers 503", async () => {
    const busy = { status: 503, body: { detail: "busy" }, headers: { "Retry-After": "0" } };
    const { received, client } = await api([busy, busy, { status: 200, body: { waiting: 3 } }]);
    expect(await client.status()).toEqual({ waiting: 3 });
    expect(received).toHaveLength(3);
  });

  test("give up after five attempts, with the Worker's reason", async () => {
    const busy = {
      status: 503,
      body: { detail: "The pictures are not available." },
      headers: { "Retry-After": "0" },
    };
    const { received, client } = await api(Array.from({ length: 6 }, () => busy));
    await expect(client.status()).rejects.toThrow(
      "/v1/pictures/status answers 503: The pictures are not available.",
    );
    expect(received).toHaveLength(5);
  });

  test("explain a refusal with the Worker's words", async () => {
    const { client } = await api([{ status: 403, body: { detail: "the Worker has no API keys." } }]);
    await expect(client.status()).rejects.toThrow("answers 403: the Worker has no API keys.");
  });
});

test("npm start -- --pictures enables exactly the blocks that wrangler.toml has commented out", async () => {
  expect(picturesConfig().isEnabled).toBe(false);
  await withFolder(async (folder) => {
    const file = await enabledConfig(path.join(folder, "wrangler.toml"));
    const { unstable_readConfig } = await import("wrangler");
    const config = unstable_readConfig({ config: file }, { hideWarnings: true });
    const [own, enabled] = [readProjectConfig(), picturesConfig(config)];
    expect(enabled).toEqual({
      isEnabled: true,
      bucket: "edge-resnet-pictures",
      database: "edge-resnet-pictures",
    });
    expect(config.queues.producers).toMatchObject([{ binding: "PICTURES_QUEUE" }]);
    expect(config.queues.consumers).toMatchObject([
      { queue: "edge-resnet-pictures", dead_letter_queue: "edge-resnet-pictures-dead" },
      { queue: "edge-resnet-pictures-dead" },
    ]);
    expect(config.vars).toEqual({ ...own.vars, KEEP_FEATURES: "true" });
    expect(config.kv_namespaces).toEqual([]);
  });
});

describe("setup", () => {
  const ok: WranglerResult = { code: 0, stdout: "", stderr: "" };
  const exists: WranglerResult = { code: 1, stdout: "", stderr: "✘ [ERROR] already exists" };

  function fake(answer: (args: string) => WranglerResult) {
    const done: string[] = [];
    const run: RunWrangler = async (args) => {
      done.push(args.join(" "));
      return answer(args.join(" "));
    };
    return { done, run };
  }
  const enabled = async () => ({ ...(await setupPlan()), isEnabled: true });

  test("prints each command once, in the order in which they work", async () => {
    const { text } = await setupPlan();
    const commands = text.split("\n").filter((line) => line.startsWith("npx"));
    expect(commands).toEqual([
      "npx wrangler r2 bucket create edge-resnet-pictures",
      "npx wrangler queues create edge-resnet-pictures",
      "npx wrangler queues create edge-resnet-pictures-dead",
      "npx wrangler d1 create edge-resnet-pictures",
      "npx wrangler d1 migrations apply PICTURES_DB --remote",
      "npx wrangler r2 bucket notification create edge-resnet-pictures --event-types object-create object-delete --queue edge-resnet-pictures",
    ]);
  });

  test("runs them, and a second time keeps what exists and creates no second rule", async () => {
    const first = fake(() => ok);
    await runSetup(await enabled(), () => {}, first.run);
    expect(first.done.filter((line) => line.includes("notification create"))).toHaveLength(1);
    const second = fake((args) => {
      if (args.includes("notification list")) return { ...ok, stdout: "queue_name: edge-resnet-pictures" };
      return args.includes(" create ") ? exists : ok;
    });
    let said = "";
    await runSetup(await enabled(), (line) => (said += `${line}\n`), second.run);
    expect(second.done.filter((line) => line.includes("notification create"))).toEqual([]);
    expect(said.match(/already there/g)).toHaveLength(5);
  });

  test("stops where wrangler.toml lacks the database, and says what to do", async () => {
    const { done, run } = fake(() => ok);
    await expect(runSetup(await setupPlan(), () => {}, run)).rejects.toThrow(/set database_id/);
    expect(done.some((line) => line.includes("migrations"))).toBe(false);
  });

  test("stops at a failure, with wrangler's reason", async () => {
    const { run } = fake((args) =>
      args.startsWith("queues") ? { code: 1, stdout: "", stderr: "✘ [ERROR] Queues is not enabled" } : ok,
    );
    await expect(runSetup(await enabled(), () => {}, run)).rejects.toThrow(/Queues is not enabled/);
  });
});
