/** Single requests beside the traffic: how the Worker is when it is left alone. */
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { salted } from "./traffic/pictures.ts";
import type { Materials } from "./traffic/requests.ts";

export interface Probe {
  readonly status: number;
  readonly ms: number;
}

const probes = 20;

/** New small JPEGs, one after the other. */
export async function postNew(
  origin: string,
  { seed, pictures }: Materials,
  when: "before" | "after",
): Promise<Probe[]> {
  const found: Probe[] = [];
  for (let i = 0; i < probes; i++) {
    const jpeg = pictures.small[i % pictures.small.length]!;
    // Beyond the salts of the traffic.
    const salt = 2 ** 31 + (when === "before" ? i : probes + i);
    found.push(await post(origin, salted(jpeg, seed, salt)));
  }
  return found;
}

/** A JPEG as large as may be: it needs nearly all room there is, so that it is refused where any was not given back. */
export async function postFullSize(origin: string, jpeg: Uint8Array): Promise<number> {
  const body = new Uint8Array(defaultMaxImageBytes);
  body.set(jpeg);
  return (await post(origin, body)).status;
}

async function post(origin: string, body: Uint8Array): Promise<Probe> {
  const startedMs = performance.now();
  const response = await fetch(`${origin}/v1/classify`, { method: "POST", body: body as BodyInit });
  await response.arrayBuffer();
  return { status: response.status, ms: performance.now() - startedMs };
}
