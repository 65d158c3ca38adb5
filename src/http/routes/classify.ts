/** POST /v1/classify: a JPEG in, its most probable classes out. */
import type { Context, Hono } from "hono";
import type { Scored } from "../../classify.ts";
import { freeBytes } from "../../free-bytes.ts";
import { preloadBodyBytes, requestOverheadBytes } from "../../limits.ts";
import { softmax, topK } from "../../model/scores.ts";
import { bodyBytes, readBody } from "../body.ts";
import type { AppEnv } from "../context.ts";
import { parseTopK } from "../query.ts";
import { anchorOf, type GetServices, modelOf } from "../services.ts";

export function addClassify(app: Hono<AppEnv>, services: GetServices): void {
  app.post("/v1/classify", (c) => {
    const answer = classify(c, services);
    // Also when the client goes away: what the request holds is given back only by running to its end.
    c.executionCtx.waitUntil(answer.catch(() => {}));
    return answer;
  });
}

async function classify(c: Context<AppEnv>, services: GetServices): Promise<Response> {
  const { config, classifier, admission } = services();
  const { stages } = c.var;
  const topKOf = parseTopK(c.req.query("top_k"));
  const expectedBytes = bodyBytes(c.req.raw, config.maxImageBytes) + requestOverheadBytes;
  let bytes: Uint8Array | undefined;
  // What is to come in any case goes on while the body streams in.
  const packSoon = classifier.host.pack(anchorOf(c));
  packSoon.catch(() => {});
  if (classifier.host.cold && expectedBytes >= preloadBodyBytes) {
    const warm = classifier.host.warm(() => bytes === undefined, anchorOf(c));
    anchorOf(c)(warm.catch(() => {}));
  }
  const permit = await stages.time("wait", () => admission.acquire(expectedBytes, c.req.raw.signal));
  try {
    bytes = await stages.time("read", () => readBody(c.req.raw, config.maxImageBytes));
    permit.shrinkTo(bytes.length + requestOverheadBytes);
    c.var.facts.bytes = bytes.length;
    const pack = await stages.time("model", () => packSoon);
    topKOf(pack);
    const scored = await classifier.score(bytes, pack, stages, anchorOf(c));
    noteFacts(c, scored, classifier.decoderMemoryBytes);
    const { width, height, logits } = scored.result;
    c.header("X-Cache", scored.cache);
    return c.json({
      model: modelOf(scored.pack),
      image: { sha256: scored.imageSha256, width, height },
      predictions: topK(softmax(logits), scored.pack.labels, topKOf(scored.pack)),
    });
  } finally {
    if (bytes) freeBytes(bytes);
    permit.release();
  }
}

function noteFacts(c: Context<AppEnv>, scored: Scored, decoderMemoryBytes: number): void {
  const { facts } = c.var;
  const { name, version } = scored.pack.manifest;
  facts.cache = scored.cache;
  facts.decode = scored.decode;
  facts.decoderMemoryBytes = decoderMemoryBytes;
  facts.model = `${name}/${version}`;
}
