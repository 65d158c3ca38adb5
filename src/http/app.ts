/** Routes of the HTTP API. Each handler reads like its line of the contract. */
import { type Context, Hono } from "hono";
import { etag } from "hono/etag";
import { methodNotAllowed } from "hono/method-not-allowed";
import { requestId } from "hono/request-id";
import { timing } from "hono/timing";
import type { Admission } from "../admission.ts";
import type { Classifier } from "../classify.ts";
import type { Config } from "../config.ts";
import { ClassifierError } from "../errors.ts";
import { freeBytes } from "../free-bytes.ts";
import { preloadBodyBytes, requestOverheadBytes } from "../limits.ts";
import type { Pack } from "../model/pack.ts";
import { softmax, topK } from "../model/scores.ts";
import type { Anchor } from "../single-flight.ts";
import { bodyBytes, readBody } from "./body.ts";
import type { AppEnv } from "./context.ts";
import { httpStatus, problemResponse, toClassifierError } from "./problem.ts";
import { parseTopK } from "./query.ts";
import { requestLog } from "./request-log.ts";

export interface Services {
  readonly config: Config;
  readonly classifier: Classifier;
  /** Bytes of bodies in flight. */
  readonly admission: Admission;
}

export interface AppOptions {
  /** Throws ClassifierError misconfigured when the deployment's variables do not hold. */
  readonly services: () => Services;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

type AppContext = Context<AppEnv>;

export function createApp({ services, log }: AppOptions): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(requestId());
  app.use(timing());
  app.use(requestLog(log));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, allowed) => {
        throw new ClassifierError({ code: "method_not_allowed", method: c.req.method, allowed });
      },
    }),
  );
  app.notFound((c) => fail(c, new ClassifierError({ code: "not_found", path: c.req.path })));
  app.onError((error, c) => fail(c, error));

  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.get("/readyz", async (c) => {
    const { host } = services().classifier;
    const { pack, shards } = await c.var.stages.time("load", () => host.load(anchorOf(c)));
    c.header("Cache-Control", "no-store");
    return c.json({ ready: true, model: modelOf(pack), shards, wasm_heap_bytes: host.heapBytes() });
  });

  app.get("/v1/model", etag(), async (c) => {
    const { manifest } = await services().classifier.host.pack(anchorOf(c));
    const { format: _format, labels: _labels, shards, ...model } = manifest;
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    c.header("Cache-Control", "no-cache");
    return c.json({ ...model, shards: shards.length, bytes });
  });

  app.get("/v1/labels", etag(), async (c) => {
    const pack = await services().classifier.host.pack(anchorOf(c));
    const labels = pack.labels.map(({ id, label }, index) => ({ index, id, label }));
    c.header("Cache-Control", "no-cache");
    return c.json({ model: modelOf(pack), labels });
  });

  app.post("/v1/classify", (c) => {
    const answer = classify(c);
    // Also when the client goes away: what the request holds is given back only by running to its end.
    c.executionCtx.waitUntil(answer.catch(() => {}));
    return answer;
  });

  return app;

  async function classify(c: AppContext): Promise<Response> {
    const { config, classifier, admission } = services();
    const { stages, facts } = c.var;
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
      facts.bytes = bytes.length;
      const pack = await stages.time("model", () => packSoon);
      topKOf(pack);
      const scored = await classifier.score(bytes, pack, stages, anchorOf(c));
      facts.cache = scored.cache;
      facts.decode = scored.decode;
      facts.decoderMemoryBytes = classifier.decoderMemoryBytes;
      facts.model = `${scored.pack.manifest.name}/${scored.pack.manifest.version}`;
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

  function fail(c: AppContext, thrown: unknown): Response {
    const error = toClassifierError(thrown);
    c.var.facts.code = error.reason.code;
    // Only failures of ours are explained in the log; what a caller did wrong is in the code.
    if (httpStatus(error) >= 500) c.var.facts.error = error;
    return problemResponse(error, c.var.requestId);
  }
}

function modelOf(pack: Pack): { name: string; version: string } {
  return { name: pack.manifest.name, version: pack.manifest.version };
}

/** Work shared between requests outlives the one that began it. */
function anchorOf(c: AppContext): Anchor {
  return (work) => c.executionCtx.waitUntil(work);
}
