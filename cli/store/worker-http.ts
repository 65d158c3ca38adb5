/** Sends requests to a running Worker, on this machine or in the user's account. */
import { CommandError } from "../terminal/fail.ts";
import { localHost } from "../terminal/port.ts";

const answerMs = 60_000;

/** Sends a request to a path of a Worker. */
export type Send = (path: string, init?: RequestInit) => Promise<Response>;

/**
 * Returns a function that sends requests to a Worker.
 * @param endpoint its address
 * @param key API key, if the Worker requires one
 * @param fix what to do if the Worker does not answer
 * @throws CommandError when the address is not https, except on this machine
 */
export function sendTo(endpoint: string, key: string | undefined, fix = "check the address"): Send {
  const base = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isLocal = base?.protocol === "http:" && ["localhost", localHost].includes(base.hostname);
  if (!base || !(isLocal || base.protocol === "https:")) {
    throw new CommandError(`--worker is ${endpoint}; expected an address like https://classify.example.com`);
  }
  return async (path, init = {}) => {
    const url = new URL(path, base);
    const headers = new Headers(init.headers);
    if (key) headers.set("Authorization", `Bearer ${key}`);
    const response = await fetch(url, {
      ...{ ...init, headers, redirect: "error" },
      signal: AbortSignal.timeout(answerMs),
    }).catch((cause: Error) => {
      const why = cause.cause instanceof Error ? cause.cause.message : cause.message;
      throw new CommandError(`${url.origin} does not answer: ${why}`, { fix, cause });
    });
    if (response.status !== 401) return response;
    await response.body?.cancel();
    throw new CommandError(`${url.origin} ${key ? "refuses the key in EDGE_RESNET_KEY" : "requires a key"}`, {
      fix: "set the environment variable EDGE_RESNET_KEY to one of the Worker's API keys",
    });
  };
}
