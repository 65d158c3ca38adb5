/** A Worker that takes uploads and asks the classifier about them, without HTTP: once in our shape, once in that of `env.AI`. */
import type { ImageClassifier } from "edge-resnet/contract";

interface Env {
  readonly CLASSIFIER: ImageClassifier;
}

export default {
  async fetch(request, env) {
    const photo = new Uint8Array(await request.arrayBuffer());
    if (new URL(request.url).pathname === "/workers-ai") {
      // Written for env.AI; only the name of the binding has changed.
      return Response.json(await env.CLASSIFIER.run("@cf/microsoft/resnet-50", { image: [...photo] }));
    }
    const answer = await env.CLASSIFIER.classify(photo, { topK: 1 });
    if (!answer.ok) return Response.json(answer.error, { status: answer.error.status });
    return Response.json({ shows: answer.predictions[0]?.label, model: answer.model.name });
  },
} satisfies ExportedHandler<Env>;
