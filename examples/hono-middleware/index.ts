/** A photo site on Hono that labels each photograph and blocks those that show espresso. */
import { blockLabels } from "edge-resnet/block-labels";
import type { ImageClassifier } from "edge-resnet/contract";
import { classifyImages } from "edge-resnet/hono";
import { Hono } from "hono";

interface Bindings {
  readonly CLASSIFIER: ImageClassifier;
  readonly ORIGIN: string;
}

const app = new Hono<{ Bindings: Bindings }>();

app.use(
  "/photos/*",
  classifyImages({
    classifier: (env: Bindings) => env.CLASSIFIER,
    policy: blockLabels({ labels: ["espresso"], minScore: 0.8 }),
    onError: "closed",
  }),
);

app.get("/photos/*", (c) => fetch(new URL(c.req.path, c.env.ORIGIN)));

export default app;
