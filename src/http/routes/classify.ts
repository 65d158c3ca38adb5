/** /v1/classify: images in, as bytes, multipart, JSON or by URL; their most probable classes out. */
import type { Context, Hono } from "hono";
import { freeBytes } from "../../bytes/free-bytes.ts";
import type { Permit } from "../../concurrency/admission.ts";
import { ClassifierError } from "../../errors.ts";
import type { Wanted } from "../answers.ts";
import type { AppEnv } from "../context.ts";
import { parseFunctionToApply, parseHeadChoice, parseTopK } from "../query.ts";
import { demandOf, makeRoomToScore } from "../room.ts";
import { beginScoring, preload, type Scoring, scoreEach, scoreImage } from "../score-images.ts";
import { classifyRemote, remoteRequest, scoreRemote } from "../score-remote.ts";
import type { GetServices, Services } from "../services.ts";
import { type InputBody, inputOf } from "../sources/input.ts";

export function addClassify(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/classify", (c) => toItsEnd(c, classify(c, services())));
  // HEAD too: Hono answers it as GET, without the body.
  app.get("/v1/classify", (c) => toItsEnd(c, classifyUrl(c, services())));
}

function parseQuery(c: Context<AppEnv>): Wanted {
  return {
    topKOf: parseTopK(c.req.query("top_k")),
    functionToApply: parseFunctionToApply(c.req.query("function_to_apply")),
    head: parseHeadChoice(c.req.query("head"), c.req.query("unknown")),
  };
}

/** Also when the client goes away: what the request holds is given back only by running to its end. */
function toItsEnd(c: Context<AppEnv>, answer: Promise<Response>): Promise<Response> {
  c.executionCtx.waitUntil(answer.catch(() => {}));
  return answer;
}

async function classify(c: Context<AppEnv>, services: Services): Promise<Response> {
  const { config, classifier, admission } = services;
  const { stages } = c.var;
  const wanted = parseQuery(c);
  const input = inputOf(c.req.raw, config.maxImageBytes);
  const demand = demandOf(input.memoryBytes);
  const scoring = beginScoring(services, wanted);
  let body: InputBody | undefined;
  preload(classifier, demand.maxBytes, () => body === undefined);
  const permit = await stages.time("wait", () => admission.acquire(demand, c.req.raw.signal));
  try {
    body = await stages.time("read", () => input.read(permit));
    if ("images" in body) return c.json(await scoreImages(c, scoring, body.images, permit));
  } finally {
    if (body && "images" in body) for (const bytes of body.images) freeBytes(bytes);
    permit.release();
  }
  // The image takes a permit of its own, by what its server announces.
  const { answer } = await scoreRemote(c, services, remoteRequest(c, body.url, scoring));
  return c.json(answer);
}

async function scoreImages(
  c: Context<AppEnv>,
  scoring: Scoring,
  images: readonly Uint8Array[],
  permit: Permit,
) {
  const bytes = images.reduce((sum, { length }) => sum + length, 0);
  c.var.facts.bytes = bytes;
  await c.var.stages.time("wait", () => makeRoomToScore(permit, bytes, c.req.raw.signal));
  const [only] = images;
  return only && images.length === 1 ? scoreImage(c, scoring, only) : scoreEach(c, scoring, images, permit);
}

async function classifyUrl(c: Context<AppEnv>, services: Services): Promise<Response> {
  const wanted = parseQuery(c);
  const url = c.req.query("url");
  if (url === undefined) {
    const expected = "the address of an image; the bytes of one are sent with POST";
    throw new ClassifierError({ code: "invalid_parameter", parameter: "url", value: "", expected });
  }
  const request = remoteRequest(c, url, beginScoring(services, wanted));
  return classifyRemote(c, services, request);
}
