/** A Worker that classifies uploads through a service binding, with `classify` or with the interface of `env.AI`. */
import type { ImageClassifier } from "edge-resnet/contract";

interface Env {
  readonly CLASSIFIER: ImageClassifier;
}

export default {
  async fetch(request, env) {
    const photo = new Uint8Array(await request.arrayBuffer());
    if (new URL(request.url).pathname === "/workers-ai") {
      // Code for env.AI works unchanged, except for the name of the binding.
      return Response.json(await env.CLASSIFIER.run("@cf/microsoft/resnet-50", { image: [...photo] }));
    }
    const answer = await env.CLASSIFIER.classify(photo, { topK: 1 });
    if (!answer.ok) return Response.json(answer.error, { status: answer.error.status });
    return Response.json({ shows: answer.predictions[0]?.label, model: answer.model.name });
  },
} satisfies ExportedHandler<Env>;
