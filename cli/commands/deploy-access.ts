/** Decides who may call the Worker after a deployment. A deployment never replaces API keys, and never opens silently. */
import { randomBytes } from "node:crypto";
import { variableFaults } from "../../src/config.ts";
import type { Protection } from "../store/deployment.ts";
import { CommandError } from "../terminal/fail.ts";
import { npmRun } from "./shared.ts";

/** What the user asks for. */
export interface AccessChoice {
  readonly access: {
    /** Whether everyone may call. */
    readonly open: boolean;
    /** Whether a deployed Worker that is open gets keys. */
    readonly createKey: boolean;
  };
  /** A named environment of wrangler.toml, such as staging. */
  readonly environment?: string | undefined;
  /** API_KEYS of the environment. */
  readonly apiKeys: string | undefined;
  /** Whether a person reads the output, who may see a key. Logs of CI must not contain one. */
  readonly terminal: boolean;
}

/** What the deployment does about API keys. */
export interface AccessPlan {
  /** Whether everyone may call. */
  readonly open: boolean;
  /** API_KEYS to store with this version of the Worker, before it serves. */
  readonly newKeys?: string;
  /** Whether `newKeys` is a key that was created here, which the user must see. */
  readonly created?: boolean;
  /** Explanation for the user, without keys. */
  readonly text: string;
}

/**
 * Decides what to do about API keys.
 * @param protection undefined in a dry run, which does not ask the account
 * @throws CommandError when the user must choose, or when the keys of the environment are not valid
 */
export function planAccess(protection: Protection | undefined, choice: AccessChoice): AccessPlan {
  const { open, createKey } = choice.access;
  if (open && createKey) throw new CommandError("--open and --create-key contradict each other; use one");
  if (protection === "keys") return keepKeys(choice);
  if (open) return { open, text: "--open: everyone who knows the address may call" };
  if (protection === undefined) {
    return {
      open: false,
      text: "not asked in a dry run. A new Worker gets an API key; existing keys are kept",
    };
  }
  const deployWith = (option: string) => npmRun("deploy", ...environmentOf(choice), option);
  if (protection === "open" && !createKey) {
    throw new CommandError("the deployed Worker has no API keys: everyone who knows its address may call", {
      fix: `protect it (callers then need the key): ${deployWith("--create-key")}\nor leave it open: ${deployWith("--open")}`,
    });
  }
  return storeKeys(choice);
}

function environmentOf({ environment }: AccessChoice): string[] {
  return environment === undefined ? [] : ["--env", environment];
}

function keepKeys(choice: AccessChoice): AccessPlan {
  const { access } = choice;
  const secret = (what: string) =>
    ["npx wrangler secret", what, "API_KEYS", ...environmentOf(choice)].join(" ");
  if (!access.open && !access.createKey) return { open: false, text: "API_KEYS is set: kept" };
  throw new CommandError("the Worker has API keys, which a deployment never changes", {
    fix: access.open ? `to open it: ${secret("delete")}` : `to change them: ${secret("put")}`,
  });
}

function storeKeys({ apiKeys, terminal }: AccessChoice): AccessPlan {
  if (apiKeys !== undefined) {
    const [fault] = variableFaults({ API_KEYS: apiKeys });
    if (!fault) {
      return { open: false, newKeys: apiKeys, text: "this deployment stores API_KEYS of the environment" };
    }
    throw new CommandError("API_KEYS in the environment is not valid", {
      fix: `set it to ${fault.expected}`,
    });
  }
  if (!terminal) {
    throw new CommandError("the Worker has no API keys, and without a terminal none can be shown", {
      fix: "set API_KEYS in the environment (openssl rand -hex 24 makes a key), or add --open",
    });
  }
  const text = "the last step creates an API key, stores it as the secret API_KEYS and shows it once";
  return { open: false, newKeys: randomBytes(24).toString("hex"), created: true, text };
}
