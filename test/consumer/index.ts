/** Uses everything that the package exports in one Worker: the classifier in process, a wrapped handler, all types. */
import { exports } from "cloudflare:workers";
import { type BlockLabelsOptions, blockLabels } from "edge-resnet/block-labels";
import type { Classification, Embedding, Failed, ImageClassifier, Prediction } from "edge-resnet/contract";
import { type ClassifyImagesOptions, classifyImages, type ImagePolicy } from "edge-resnet/middleware";
import worker from "edge-resnet/worker";

export { ClassifierService } from "edge-resnet/worker";

interface Env {
  readonly MODELS: R2Bucket;
  readonly MODEL_NAME: string;
}

/** Resolved per call, because it does not exist at start-up. */
const classifier = () => (exports as unknown as { ClassifierService: ImageClassifier }).ClassifierService;

const blocked: BlockLabelsOptions = { labels: ["ladybug"], minScore: 0.5 };
const policy: ImagePolicy = blockLabels(blocked);
const options: ClassifyImagesOptions<Env> = { classifier, policy, onError: "closed", maxBytes: 1_000_000 };

function echo(request: Request): Response {
  const headers = { "Content-Type": "image/jpeg" };
  return new Response(request.body?.pipeThrough(new TransformStream()) ?? null, { headers });
}

const images = classifyImages<Env>(options)(echo);

export default {
  async fetch(request, env, ctx) {
    switch (new URL(request.url).pathname) {
      case "/image":
        return images(request, env, ctx);
      case "/compare": {
        const jpeg = await request.arrayBuffer();
        const found: Classification | Failed = await classifier().classify(jpeg, { topK: 1 });
        const embedding: Embedding | Failed = await classifier().embed(jpeg, { normalize: "l2" });
        const best: Prediction | undefined = found.ok ? found.predictions[0] : undefined;
        const size = embedding.ok ? embedding.embedding.length : embedding.error.code;
        return Response.json({ label: best?.label, size });
      }
      default:
        return worker.fetch(request, env, ctx);
    }
  },
} satisfies ExportedHandler<Env>;
