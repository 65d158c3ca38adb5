/** The classifier for callers in code: another Worker through a service binding, or this Worker itself. */
import { z } from "zod";
import { classificationOf, embeddingOf, normalisations } from "../classifier/answers.ts";
import { type RequestContext, Stages } from "../classifier/classifier.ts";
import { classifyQuerySchema, oneOf, parseParameters, type RequestedOptions } from "../classifier/options.ts";
import type { Scored } from "../classifier/score.ts";
import { ClassifierError, toClassifierError } from "../errors.ts";
import type { GetServices } from "../http/context.ts";
import { headersOf, httpStatus, membersOf } from "../http/problem.ts";
import type {
  Classification,
  ClassifyOptions,
  Embedding,
  EmbedOptions,
  Failed,
  Failure,
  ImageBytes,
  ImageClassifier,
  RunInput,
} from "./contract.ts";
import { argumentSource } from "./image-argument.ts";

/** The name of Workers AI's image classifier. `run` accepts it, so that callers of `env.AI` need no change. */
const workersAiModel = "@cf/microsoft/resnet-50";

const embedOptionsSchema = z.object({ normalize: oneOf(normalisations).optional() });

/** How RPC names the options that the query names otherwise. */
const rpcNames: Readonly<Record<string, string>> = { top_k: "topK", function_to_apply: "functionToApply" };

export interface ClassifierApiOptions {
  readonly services: GetServices;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

export class ClassifierApi implements ImageClassifier {
  readonly #options: ClassifierApiOptions;

  constructor(options: ClassifierApiOptions) {
    this.#options = options;
  }

  classify(image: ImageBytes, options?: ClassifyOptions): Promise<Classification | Failed> {
    return asData(() =>
      this.#logged("classify", async (context) => {
        const requested = parseClassifyOptions(options);
        return { ok: true as const, ...classificationOf(await this.#score(image, requested, context)) };
      }),
    );
  }

  embed(image: ImageBytes, options?: EmbedOptions): Promise<Embedding | Failed> {
    return asData(() =>
      this.#logged("embed", async (context) => {
        const { normalize } = parseParameters(embedOptionsSchema, { normalize: wordOf(options?.normalize) });
        return { ok: true as const, ...embeddingOf(await this.#score(image, {}, context), normalize) };
      }),
    );
  }

  async run(model: string, input: RunInput): Promise<{ label: string; score: number }[]> {
    try {
      return await this.#logged("run", async (context) => {
        const served = [workersAiModel, this.#options.services().config.modelName];
        if (!served.includes(model)) {
          throw new ClassifierError({ code: "unknown_model", model: String(model), served });
        }
        const scored = await this.#score(input?.image, {}, context);
        return classificationOf(scored).predictions.map(({ label, score }) => ({ label, score }));
      });
    } catch (thrown) {
      const { reason, message } = toClassifierError(thrown);
      // RPC keeps the name and the message of an error, not its class.
      throw new Error(`${reason.code}: ${message}`);
    }
  }

  async #score(image: unknown, options: RequestedOptions, context: RequestContext): Promise<Scored> {
    const { config, scorer } = this.#options.services();
    const scored = await scorer.scoreOne(argumentSource(image, config.maxImageBytes), { options }, context);
    if ("notModified" in scored) throw new Error("an RPC call has no If-None-Match");
    return scored;
  }

  /** Keeps the call running after its caller disconnects, and logs one line about it. */
  #logged<T>(method: string, work: (context: RequestContext) => Promise<T>): Promise<T> {
    const context: RequestContext = { stages: new Stages(), facts: {} };
    const startedMs = performance.now();
    const finish = (outcome: Record<string, unknown>) => {
      const { cache, bytes, model, head } = context.facts;
      const ms = performance.now() - startedMs;
      const stagesMs = Object.fromEntries(context.stages.entries());
      this.#options.log({
        ...{ event: "rpc", method, ...outcome },
        ...{ cache, bytes, model, head, ms, stages_ms: stagesMs },
      });
    };
    const done = work(context).then(
      (value) => {
        finish({ code: "ok" });
        return value;
      },
      (thrown: unknown) => {
        const error = withRpcName(toClassifierError(thrown));
        finish({ code: error.reason.code, ...explained(error) });
        throw error;
      },
    );
    keepRunning(this.#options.services, done);
    return done;
  }
}

/** A misconfigured Worker has no services, and nothing to clean up. */
function keepRunning(services: GetServices, done: Promise<unknown>): void {
  const settled = done.catch(() => {});
  try {
    services().waitUntil(settled);
  } catch {
    // The call itself reports the misconfiguration.
  }
}

function parseClassifyOptions(options: ClassifyOptions | undefined): RequestedOptions {
  const values = {
    top_k: wordOf(options?.topK),
    function_to_apply: wordOf(options?.functionToApply),
    head: wordOf(options?.head),
    unknown: wordOf(options?.unknown),
  };
  return parseParameters(classifyQuerySchema, values);
}

/** Replaces the name of a query parameter at fault by that of the RPC option. */
function withRpcName(error: ClassifierError): ClassifierError {
  const { reason, cause } = error;
  if (reason.code !== "invalid_parameter") return error;
  const parameter = rpcNames[reason.parameter] ?? reason.parameter;
  return new ClassifierError({ ...reason, parameter }, { cause });
}

async function asData<T>(work: () => Promise<T>): Promise<T | Failed> {
  try {
    return await work();
  } catch (thrown) {
    return { ok: false, error: failureOf(toClassifierError(thrown)) };
  }
}

/** The caller's compiler may not have checked the options. */
function wordOf(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}

/** Explains the Worker's own failures. For the caller's, the code says enough. */
function explained(error: ClassifierError): Record<string, unknown> {
  if (httpStatus(error) < 500) return {};
  const { cause } = error;
  return { reason: error.message, cause: cause instanceof Error ? (cause.stack ?? cause.message) : cause };
}

const members = ["parameter", "unit", "measured", "limit"] as const;

/** Converts an error to data. RPC would drop the class of a thrown error. */
function failureOf(error: ClassifierError): Failure {
  const { reason, message } = error;
  const all = membersOf(reason);
  const kept = members.filter((name) => all[name] !== undefined).map((name) => [name, all[name]]);
  const retryAfter = headersOf(reason)["Retry-After"];
  return {
    code: reason.code,
    status: httpStatus(error),
    detail: message,
    ...(retryAfter === undefined ? {} : { retryAfterSeconds: Number(retryAfter) }),
    ...Object.fromEntries(kept),
  };
}
