/** From a turn to the requests that it is. Pure. */
import type { Check } from "./answer.ts";
import { kindOf, type TrafficKindName } from "./kinds.ts";
import { claiming, type Pictures, salted } from "./pictures.ts";
import type { Upload } from "./raw-client.ts";
import type { Reference } from "./reference.ts";
import type { Turn } from "./turns.ts";

export type Outgoing =
  | { readonly way: "fetch"; readonly path: string; readonly init: RequestInit; readonly check?: Check }
  /** Announces a body and sends none of it. */
  | { readonly way: "announce"; readonly bytes: number }
  /** Sends half of the body and disconnects. */
  | { readonly way: "go-away"; readonly body: Uint8Array }
  /** Announces `bytes` and sends `body` evenly at a low rate. */
  | {
      readonly way: "trickle";
      readonly bytes: number;
      readonly body: Uint8Array;
      readonly bytesPerSecond: number;
    }
  /** Posts on a connection of its own. */
  | (Upload & { readonly way: "upload" })
  /** Asks and never reads the answer. */
  | { readonly way: "stop-reading"; readonly path: string };

export interface Materials {
  readonly seed: number;
  readonly pictures: Pictures;
  /** Of each small picture. */
  readonly references: readonly Reference[];
}

const announcedBytes = 64 * 2 ** 20;
/** Pixels of a side. */
const claimedSide = 65_000;

export function requestsOf({ kind, choice, salt }: Turn, materials: Materials): Outgoing[] {
  const { seed, pictures, references } = materials;
  const index = choice % pictures.small.length;
  const [known, reference] = [pictures.small[index]!, references[index]!];
  const fresh = () => salted(known, seed, salt);
  const samePredictions: Check = (body) => reference.predictionsFault(body);
  const make: Record<TrafficKindName, () => Outgoing> = {
    hit: () => classify(known, (body) => reference.bodyFault(body)),
    miss: () => classify(fresh(), samePredictions),
    coalesced: () => classify(fresh(), samePredictions),
    large: () => classify(salted(pictures.large[choice % pictures.large.length]!, seed, salt)),
    embed: () => ({
      ...post("/v1/embed", salt % 2 === 0 ? fresh() : known),
      check: (body) => reference.embeddingFault(body),
    }),
    multipart: () => {
      const parts = [fresh(), half(fresh()), salted(fresh(), seed, salt)];
      return classify(formOf(parts), (body) => reference.formFault(body));
    },
    json: () => {
      const body = JSON.stringify({ image: Buffer.from(fresh()).toString("base64") });
      const headers = { "Content-Type": "application/json" };
      return {
        way: "fetch",
        path: "/v1/classify",
        init: { method: "POST", body, headers },
        check: samePredictions,
      };
    },
    model: () => ({ way: "fetch", path: "/v1/model", init: {} }),
    "not-jpeg": () => classify(`no image, number ${salt}`),
    broken: () => classify(salted(half(known), seed, salt)),
    "too-many-pixels": () => classify(claiming(fresh(), claimedSide, claimedSide)),
    "too-many-bytes": () => ({ way: "announce", bytes: announcedBytes }),
    "bad-parameter": () => post("/v1/classify?top_k=0", fresh()),
    "not-found": () => ({ way: "fetch", path: `/nothing/${salt}`, init: {} }),
    "gone-away": () => ({ way: "go-away", body: fresh() }),
  };
  return Array.from({ length: kindOf(kind).requests }, make[kind]);
}

function classify(body: BodyInit | Uint8Array, check?: Check): Outgoing {
  return { ...post("/v1/classify", body), ...(check ? { check } : {}) };
}

function post(path: string, body: BodyInit | Uint8Array) {
  return { way: "fetch", path, init: { method: "POST", body: body as BodyInit } } as const;
}

function formOf(parts: readonly Uint8Array[]): FormData {
  const form = new FormData();
  for (const part of parts)
    form.append("image", new Blob([part as BlobPart], { type: "image/jpeg" }), "a.jpg");
  return form;
}

function half(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.length >> 1);
}
