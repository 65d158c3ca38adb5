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

/** These routes require a key outside of this machine. */
const key = '-H "Authorization: Bearer $KEY"';
const picture = {
  ...{ key: "uploads/teapot.jpg", etag: "9882d133f18f3729b5b42d9190a4a5dd" },
  ...{ uploaded: "2026-11-27T20:58:30.881Z", labelled_at: "2026-11-27T20:58:31.023Z", stale: false },
  ...{ image: classification.image, model, predictions: classification.predictions },
};
const notification = {
  ...{
    action: "PutObject",
    bucket: "pictures",
    object: { key: "uploads/a.jpg", size: 1024, eTag: "9882d1" },
  },
  eventTime: "2026-11-27T20:58:31.000Z",
};

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
  listPictures: {
    curl: `curl ${key} -G --data-urlencode label=teapot ${at("/v1/pictures?min_score=0.5")}`,
    answer: { pictures: [picture], cursor: "WyJhLmpwZyIsMC45ODE5MTVd" },
  },
  getPictureLabels: {
    curl: `curl ${key} ${at("/v1/pictures/labels")}`,
    answer: {
      labels: [
        { label: "teapot", count: 120 },
        { label: "goldfish", count: 45 },
      ],
      failures: [{ code: "image_undecodable", count: 3 }],
    },
  },
  getPicturesStatus: {
    curl: `curl ${key} ${at("/v1/pictures/status")}`,
    answer: {
      ...{ pictures: 168, current: 165, stale: 0, failed: 3 },
      failures: [{ code: "image_undecodable", count: 3 }],
      dead_letters: { count: 0, keys: [] },
      waiting: 832,
    },
  },
  getSimilarPictures: {
    curl: `curl ${key} -G --data-urlencode key=uploads/a.jpg ${at("/v1/pictures/similar?limit=1")}`,
    answer: { key: "uploads/a.jpg", compared: 164, pictures: [{ ...picture, similarity: 0.934 }] },
  },
  getThumbnail: {
    curl: `curl ${key} -G --data-urlencode key=uploads/a.jpg -o a.jpg ${at("/v1/pictures/thumbnail?size=256")}`,
  },
  labelPictures: {
    curl: `curl ${key} --json '{"prefix": "uploads/"}' ${at("/v1/pictures/label")}`,
    answer: { listed: 1000, enqueued: 832, cursor: "WyJ1cGxvYWRzL2IuanBnIl0" },
  },
  retryPictures: {
    curl: `curl ${key} --json '{}' ${at("/v1/pictures/retry")}`,
    answer: { listed: 3, enqueued: 3, cursor: null },
  },
  sendPictureEvents: {
    curl: `curl ${key} --json '${JSON.stringify({ events: [notification] })}' ${at("/v1/pictures/events")}`,
    answer: { enqueued: 1 },
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
