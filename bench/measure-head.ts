/** Measures what a head adds to an answer: requests with and without it alternate, so that both meet the same machine. */
import { benchHeadName } from "../cli/head/random-head.ts";
import { neverSeen } from "./pictures/photos.ts";
import { send } from "./requests.ts";
import { type Measured, measured } from "./results/samples.ts";
import { headRequests, metrics } from "./subjects.ts";

const hitsPerMiss = 10;

/** Measures cache misses and hits, each with a head and without. */
export async function measureHead(url: string, jpeg: Uint8Array, requests: number): Promise<Measured[]> {
  const urls = { head: `${url}?head=${benchHeadName}&unknown=true`, plain: url };
  const all: Measured[] = [];
  // Loads the head, and puts the picture into the cache.
  await send(urls.head, jpeg);
  for (const kind of headRequests) {
    const ms: Record<keyof typeof urls, number[]> = { head: [], plain: [] };
    for (let i = 0; i < requests * (kind === "hit" ? hitsPerMiss : 1); i++) {
      // Swaps the order each time: the second request may find a warmer machine.
      for (const asked of i % 2 === 0 ? (["plain", "head"] as const) : (["head", "plain"] as const)) {
        const answer = await send(urls[asked], kind === "hit" ? jpeg : neverSeen(jpeg));
        const cache = answer.headers.get("X-Cache");
        if (cache !== kind.toUpperCase()) throw new Error(`expected a cache ${kind}; it was a ${cache}`);
        ms[asked].push(answer.ms);
      }
    }
    all.push(measured(metrics.head(kind, "head"), "ms", ms.head));
    all.push(measured(metrics.head(kind, "plain"), "ms", ms.plain));
  }
  return all;
}
