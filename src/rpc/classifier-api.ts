/** The classifier for callers in code: another Worker through a service binding, or this one itself. */
import type { Scored } from "../classifier/classifier.ts";
import { ClassifierError } from "../errors.ts";
import {
  answered,
  classificationOf,
  embeddingOf,
  normalisations,
  predictionsOf,
  settle,
} from "../http/answers.ts";
import { httpStatus, toClassifierError } from "../http/problem.ts";
import { parseChoice, parseFunctionToApply, parseHeadChoice, parseTopK } from "../http/query.ts";
import type { GetServices } from "../http/services.ts";
import { requestOverheadBytes } from "../limits.ts";
import type { Pack } from "../model/pack.ts";
import { Stages } from "../stages.ts";
import type {
  Classification,
  ClassifyOptions,
  Embedding,
  EmbedOptions,
  Failed,
  ImageBytes,
  ImageClassifier,
  RunInput,
} from "./contract.ts";
import { failureOf } from "./failure.ts";
import { imageArgument } from "./image-argument.ts";

/** The name under which Workers AI has its image classifier. */
export const workersAiModel = "@cf/microsoft/resnet-50";

export interface ClassifierApiOptions {
  readonly services: GetServices;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

type ScoreImage = (image: unknown, check?: (pack: Pack) => Promise<unknown>) => Promise<Scored>;

export class ClassifierApi implements ImageClassifier {
  readonly #options: ClassifierApiOptions;

  constructor(options: ClassifierApiOptions) {
    this.#options = options;
  }

  classify(image: ImageBytes, options?: ClassifyOptions): Promise<Classification | Failed> {
    return asData(() =>
      this.#logged("classify", async (score, facts) => {
        const topKOf = parseTopK(wordOf(options?.topK), "topK");
        const functionToApply = parseFunctionToApply(wordOf(options?.functionToApply), "functionToApply");
        const head = parseHeadChoice(wordOf(options?.head), wordOf(options?.unknown));
        const { services } = this.#options;
        const settleFor = (pack: Pack) => settle(services().heads, { topKOf, functionToApply, head }, pack);
        const scored = await score(image, settleFor);
        // Of the very pack that made the scores: another may have gone live since.
        const answer = classificationOf(scored, await settleFor(scored.pack));
        if (answer.head) facts.head = `${answer.head.name}/${answer.head.version}`;
        return { ok: true as const, ...answer };
      }),
    );
  }

  embed(image: ImageBytes, options?: EmbedOptions): Promise<Embedding | Failed> {
    return asData(() =>
      this.#logged("embed", async (score) => {
        const normalize = parseChoice("normalize", wordOf(options?.normalize), normalisations);
        const scored = await score(image);
        return { ok: true as const, ...answered(scored), embedding: embeddingOf(scored, normalize) };
      }),
    );
  }

  async run(model: string, input: RunInput): Promise<{ label: string; score: number }[]> {
    try {
      return await this.#logged("run", async (score) => {
        const served = [workersAiModel, this.#options.services().config.modelName];
        if (!served.includes(model)) {
          throw new ClassifierError({ code: "unknown_model", model: String(model), served });
        }
        const scored = await score(input?.image);
        const best = predictionsOf(scored, parseTopK(undefined)(scored.pack.manifest.classes), "softmax");
        return best.map(({ label, score: probability }) => ({ label, score: probability }));
      });
    } catch (thrown) {
      const { reason, message } = toClassifierError(thrown);
      // A class of its own would not survive the way to another Worker; name and message do.
      throw new Error(`${reason.code}: ${message}`);
    }
  }

  /** Does the work to its end, also when the caller goes away, and writes one line about it. */
  #logged<T>(
    method: string,
    work: (score: ScoreImage, facts: Record<string, unknown>) => Promise<T>,
  ): Promise<T> {
    const { log, services } = this.#options;
    const stages = new Stages();
    const facts: Record<string, unknown> = {};
    const startedMs = performance.now();
    const finish = (more: Record<string, unknown>) =>
      log({
        event: "rpc",
        method,
        ...more,
        ...facts,
        ms: performance.now() - startedMs,
        stages_ms: Object.fromEntries(stages.entries()),
      });
    const done = work((image, check) => this.#score(image, check, stages, facts), facts).then(
      (value) => {
        finish({ code: "ok" });
        return value;
      },
      (thrown: unknown) => {
        const error = toClassifierError(thrown);
        finish({ code: error.reason.code, ...explained(error) });
        throw error;
      },
    );
    services().waitUntil(done.catch(() => {}));
    return done;
  }

  async #score(
    image: unknown,
    check: ((pack: Pack) => Promise<unknown>) | undefined,
    stages: Stages,
    facts: Record<string, unknown>,
  ): Promise<Scored> {
    const { services } = this.#options;
    const { config, classifier, admission } = services();
    const argument = imageArgument(image, config.maxImageBytes);
    facts.bytes = argument.memoryBytes;
    const bytes = argument.memoryBytes + requestOverheadBytes;
    const permit = await stages.time("wait", () => admission.acquire({ bytes, maxBytes: bytes }));
    try {
      const pack = await stages.time("model", () => classifier.host.pack());
      await check?.(pack);
      const scored = await classifier.score(argument.bytes(), pack, stages);
      facts.cache = scored.cache;
      facts.model = `${scored.pack.manifest.name}/${scored.pack.manifest.version}`;
      return scored;
    } finally {
      permit.release();
    }
  }
}

async function asData<T>(work: () => Promise<T>): Promise<T | Failed> {
  try {
    return await work();
  } catch (thrown) {
    return { ok: false, error: failureOf(toClassifierError(thrown)) };
  }
}

/** Options come from callers that no compiler may have checked. */
function wordOf(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}

/** Only failures of ours are explained in the log; what a caller did wrong is in the code. */
function explained(error: ClassifierError): Record<string, unknown> {
  if (httpStatus(error) < 500) return {};
  const { cause } = error;
  return { reason: error.message, cause: cause instanceof Error ? (cause.stack ?? cause.message) : cause };
}
