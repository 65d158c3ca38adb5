/** What a head adds to an answer: the same requests with it and without, in turns, so that both meet the same machine. */

import { benchHeadName } from "../head/random-head.ts";
import { neverSeen } from "../pictures/photos.ts";
import { send } from "./requests.ts";
import type { Measured } from "./results/samples.ts";
import { type HeadRequest, headRequests, metrics } from "./subjects.ts";

/** Hits are quick: more of them. */
const timesOf: Readonly<Record<HeadRequest, number>> = { miss: 1, hit: 10 };

export async function measureHead(url: string, jpeg: Uint8Array, requests: number): Promise<Measured[]> {
  const withHead = `${url}?head=${benchHeadName}&unknown=true`;
  // Reads the head, and puts the picture into the cache.
  await send(withHead, jpeg);
  const measured: Measured[] = [];
  for (const kind of headRequests) {
    const ms: { head: number[]; plain: number[] } = { head: [], plain: [] };
    const once = async (asked: keyof typeof ms) => {
      const answer = await send(asked === "head" ? withHead : url, kind === "hit" ? jpeg : neverSeen(jpeg));
      const cache = answer.headers.get("X-Cache");
      if (cache !== kind.toUpperCase()) throw new Error(`expected a cache ${kind}; it was a ${cache}`);
      ms[asked].push(answer.ms);
    };
    for (let i = 0; i < requests * timesOf[kind]; i++) {
      // Every other turn the other way round: what comes second may find a warmer machine.
      for (const asked of i % 2 === 0 ? (["plain", "head"] as const) : (["head", "plain"] as const)) {
        await once(asked);
      }
    }
    for (const asked of ["head", "plain"] as const) {
      measured.push({ metric: metrics.head(kind, asked), unit: "ms", values: ms[asked] });
    }
  }
  return measured;
}
