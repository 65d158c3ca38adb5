import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import {
  bucketConfig,
  bucketNameOf,
  readProjectConfig,
  withJsonFile,
} from "../../cli/store/platform-config.ts";
import { remoteFailure } from "../../cli/store/remote-bucket.ts";
import { loadProjectEnv, type RunWrangler, requireLogin } from "../../cli/store/wrangler-cli.ts";
import { CommandError } from "../../cli/terminal/fail.ts";

describe("the configuration that opens a bucket", () => {
  const project = {
    name: "edge-resnet",
    account_id: "0123",
    compatibility_date: "2026-10-01",
    compatibility_flags: [],
    r2_buckets: [
      { binding: "OTHER", bucket_name: "not-this" },
      { binding: "MODELS", bucket_name: "weights", jurisdiction: "eu" },
    ],
    vars: {},
  };

  test("has the project's bucket and account, and is remote only on request", () => {
    const config = bucketConfig(project, { remote: true });
    expect(config).toEqual({
      ...{ name: "edge-resnet", account_id: "0123", compatibility_date: "2026-10-01" },
      r2_buckets: [{ binding: "MODELS", bucket_name: "weights", jurisdiction: "eu", remote: true }],
    });
    const local = bucketConfig(project, { remote: false, bucket: "another" });
    expect(local.r2_buckets).toMatchObject([{ bucket_name: "another", remote: false }]);
  });

  test("is a file only while it is used, even after a failure", async () => {
    let used = "";
    const failing = withJsonFile({ name: "x" }, async (configPath) => {
      used = configPath;
      expect(JSON.parse(await readFile(configPath, "utf8"))).toEqual({ name: "x" });
      throw new Error("failed");
    });
    await expect(failing).rejects.toThrow("failed");
    expect(existsSync(path.dirname(used))).toBe(false);
  });

  test("comes from this project's wrangler.toml", () => {
    expect(bucketNameOf(readProjectConfig())).toMatch(/^[a-z0-9-]{3,63}$/);
  });

  test("names what is missing or wrong in wrangler.toml", async () => {
    const nothing = { ...project, r2_buckets: [] };
    expect(() => bucketNameOf(nothing)).toThrow(/wrangler.toml binds no bucket as MODELS; add/);
    const folder = await mkdtemp(path.join(tmpdir(), "config-"));
    await writeFile(path.join(folder, "wrangler.toml"), 'name = "x"\n[[r2_buckets]]\nbinding = 7\n');
    expect(() => readProjectConfig(folder)).toThrow(CommandError);
    expect(() => readProjectConfig(folder)).toThrow(/wrangler\.toml is not valid: .*binding.*; fix it/);
    await rm(folder, { recursive: true });
  });
});

describe("a remote bucket that fails", () => {
  const message = (text: string, cause?: unknown) => {
    const failure = remoteFailure(new Error(text, { cause }), "weights");
    expect(failure).toBeInstanceOf(CommandError);
    const line = (failure as CommandError).message;
    expect(line).not.toContain("\n");
    return line;
  };

  test.each([
    // Messages of wrangler 4.156.
    [
      "nobody is logged in",
      "Failed to start the remote proxy session. Error reloading remote server: In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN environment variable for wrangler to work.",
      /^not logged in to Cloudflare; run npx wrangler login, or set CLOUDFLARE_API_TOKEN/,
    ],
    ["the token is refused", "Authentication error [code: 10000]", /^not logged in to Cloudflare/],
    [
      "there is no network",
      "Failed to start the remote proxy session. Error reloading remote server: getaddrinfo ENOTFOUND api.cloudflare.com",
      /^Cloudflare's API cannot be reached; check the network/,
    ],
    [
      "there are several accounts",
      "More than one account available but unable to select one in non-interactive mode.",
      /set account_id in wrangler.toml, or CLOUDFLARE_ACCOUNT_ID/,
    ],
    [
      "there is no such bucket",
      "R2 bucket 'weights' not found. [code: 10085]",
      /^your account has no bucket weights; create it: npx wrangler r2 bucket create weights/,
    ],
    [
      "R2 has an internal error",
      "put: We encountered an internal error.\n Please try again. (10001)",
      /^the remote bucket weights failed: put: We encountered an internal error. Please try again. \(10001\); run the command again/,
    ],
  ])("says in one line what to do when %s", (_, text, expected) => {
    expect(message(text)).toMatch(expected);
  });

  test("reports a broken connection, and keeps the stack of a bug of the project", () => {
    expect(remoteFailure(new TypeError("fetch failed"), "weights")).toBeInstanceOf(CommandError);
    const ours = new TypeError("x is not a function");
    expect(remoteFailure(ours, "weights")).toBe(ours);
    const clear = new CommandError("the bucket has no model x");
    expect(remoteFailure(clear, "weights")).toBe(clear);
  });
});

describe("requireLogin", () => {
  const whoami = (code: number, stdout: string, stderr = ""): RunWrangler => {
    return async (args) => {
      expect(args).toEqual(["whoami", "--json"]);
      return { code, stdout, stderr };
    };
  };

  test("accepts a login, and a token that may not read its owner", async () => {
    await requireLogin(whoami(0, '{"loggedIn": true}'));
    await requireLogin(whoami(1, "", "A request to the Cloudflare API (/memberships) failed. [code: 7003]"));
  });

  test("stops without a login, and without a network", async () => {
    await expect(requireLogin(whoami(1, '{"loggedIn":false}'))).rejects.toThrow(
      /^not logged in to Cloudflare/,
    );
    const offline =
      "Unable to resolve Cloudflare's API hostname (api.cloudflare.com or dash.cloudflare.com).";
    await expect(requireLogin(whoami(1, "", offline))).rejects.toThrow(/cannot be reached/);
  });

  test("uses a token in the project's .env", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "env-"));
    loadProjectEnv(folder);
    await writeFile(path.join(folder, ".env"), "EDGE_RESNET_TEST_TOKEN=from-the-file\n");
    loadProjectEnv(folder);
    expect(process.env.EDGE_RESNET_TEST_TOKEN).toBe("from-the-file");
    delete process.env.EDGE_RESNET_TEST_TOKEN;
    await rm(folder, { recursive: true });
  });
});
