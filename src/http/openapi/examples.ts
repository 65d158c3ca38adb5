/** Example requests and answers of the operations, for the OpenAPI document. A test compares the answers with the schemas. */

/** Origin of the example requests. The page of the API shows its own in place of it. */
export const exampleOrigin = "https://classify.example.com";

/** An example of an operation. */
export interface Example {
  /** A curl command. It does not contain a key. */
  readonly curl: string;
  /** The JSON that it answers with. */
  readonly answer?: unknown;
}

const model = { name: "resnet34-tiny-imagenet", version: "d3cce382c30bf347" };
const classification = {
  model,
  image: {
    sha256: "f5634fbd3c2b1a0f9e8d7c6b5a493827f5634fbd3c2b1a0f9e8d7c6b5a493827",
    width: 1200,
    height: 900,
  },
  predictions: [
    { label: "teapot", score: 0.981915, index: 160, id: "n04398044" },
    { label: "water jug", score: 0.015684, index: 172, id: "n04560804" },
  ],
  confident: true,
};
const send = "--data-binary @teapot.jpg";
const at = (path: string) => `'${exampleOrigin}${path}'`;

/** The examples, by operationId. */
export const examples: Readonly<Record<string, Example>> = {
  classify: { curl: `curl ${send} ${at("/v1/classify?top_k=2")}`, answer: classification },
  classifyUrl: {
    curl: `curl -G --data-urlencode url=https://images.example.com/teapot.jpg ${at("/v1/classify?top_k=2")}`,
    answer: classification,
  },
  embed: {
    curl: `curl ${send} ${at("/v1/embed")}`,
    answer: { model, image: classification.image, embedding: [0.412, 0, 1.038] },
  },
  imageClassification: {
    curl: `curl ${send} ${at(`/models/${model.name}?top_k=2`)}`,
    answer: classification.predictions.map(({ label, score }) => ({ label, score })),
  },
  cdn: { curl: `curl -sD - -o teapot.jpg ${at("/cdn/photos/teapot.jpg")}` },
  getModel: {
    curl: `curl ${at("/v1/model")}`,
    answer: {
      ...model,
      source: {
        file: `${model.name}.onnx`,
        bytes: 85_660_996,
        sha256: "3edcac7de7f2b5a585b18bc5a0ab482ef9dfe84da29b2b0377baf34ed6853106",
        licence: "Apache-2.0",
      },
      input: { name: "data", shape: [1, 3, 96, 96] },
      preprocessing: {
        ...{ resize: "shortest-edge", size: 96, crop: 96, interpolation: "bilinear", color: "RGB" },
        ...{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      },
      classes: 200,
      outputs: { logits: "logits", features: "features" },
      feature_size: 512,
      precision: "int8",
      quantisation: null,
      scores: { temperature: 0.8887, confident: null, unknown: null, evaluation: null },
      shards: 5,
      bytes: 21_776_740,
    },
  },
  getLabels: {
    curl: `curl ${at("/v1/labels")}`,
    answer: {
      model,
      labels: [
        { index: 0, id: "n01443537", label: "goldfish", group: "Fish and sea animals" },
        { index: 1, id: "n01629819", label: "European fire salamander", group: "Reptiles and amphibians" },
      ],
    },
  },
  getHeads: {
    curl: `curl ${at("/v1/heads")}`,
    answer: {
      model,
      heads: [{ name: "pets", version: "0123456789abcdef", backbone: model }],
      truncated: false,
    },
  },
  getHealth: { curl: `curl ${at("/healthz")}`, answer: { status: "ok" } },
  getReadiness: {
    curl: `curl ${at("/readyz")}`,
    answer: {
      ready: true,
      model,
      engine: "simd",
      shards: 5,
      wasm_heap_bytes: 23_789_568,
      in_flight: { permits: 0, permit_bytes: 0, capacity_bytes: 18_874_368, waiting: 0 },
    },
  },
  getOpenApi: { curl: `curl ${at("/openapi.json")}` },
  getDocs: { curl: `curl ${at("/docs")}` },
};
