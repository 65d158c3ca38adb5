/** Measures labelling with the local queue: pictures per second over those of the same pictures by HTTP. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { defaultName } from "../../cli/pictures/local.ts";
import { withLocalBucket } from "../../cli/store/local-bucket.ts";
import { readProjectConfig } from "../../cli/store/platform-config.ts";
import { projectFolder } from "../../cli/store/project.ts";
import { runWrangler } from "../../cli/store/wrangler-cli.ts";
import { DevWorker, type DevWorkerOptions } from "../../cli/workerd/dev-worker.ts";
import { getJson } from "../common/requests.ts";
import { median } from "../results.ts";
import { defaults, type Parameters, simulate } from "./simulate.ts";

/** Pictures of one round, as 500x375 JPEGs. */
const pictures = 200;
const rounds = 3;
/** Pictures that are labelled one by one, to measure the stages. */
const singles = 20;
/** Messages about one picture that is labelled already, to measure the time between two batches. */
const repeats = 100;
const { lanes, batchSize } = defaults;
const pollMs = 50;
/** Longer than any of the waits takes. */
const waitMs = 120_000;

/** What was measured on this machine. */
export type BucketResults = Awaited<ReturnType<typeof measureBucket>>;

/**
 * Measures a Worker with a bucket of its own, and simulates it with the times of its stages.
 * @param options of a Worker whose model is in its bucket; its state folder receives the pictures
 */
export async function measureBucket(options: DevWorkerOptions) {
  const settings = bindings();
  await prepare(options.stateFolder, settings);
  const worker = await DevWorker.start({ ...options, settings });
  try {
    const variants = await jpegs();
    const post = (body: Uint8Array) =>
      fetch(`${worker.url}/v1/classify`, { method: "POST", body: body as BodyInit });
    for (const jpeg of variants.slice(0, 5)) await post(marked(jpeg, 0));
    const parameters = await measureStages(worker);
    const byHttp: number[] = [];
    const byQueue: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const bodies = Array.from({ length: pictures }, (_, i) =>
        marked(variants[i % variants.length]!, 1000 * (round + 1) + i),
      );
      byHttp.push(
        await perSecond(() => atOnce(bodies, async (body) => void (await (await post(body)).arrayBuffer()))),
      );
      byQueue.push(await perSecond(() => label(worker, `${round}/`, pictures)));
    }
    const [http, queue] = [median(byHttp), median(byQueue)];
    const simulated = simulate({ ...parameters, pictures }).picturesPerSecond;
    return {
      http,
      queue,
      ratio: queue / http,
      parameters,
      simulated,
      simulatedOverMeasured: simulated / queue,
    };
  } finally {
    await worker.close();
  }
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (1000 * pictures) / (performance.now() - startedMs);
}

/** Handles all items, `lanes` at once, as the consumer does. */
async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const remaining = items.values();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const item of remaining) await work(item);
    }),
  );
}

/** Enqueues the objects under a prefix, and waits until each has a row. */
async function label(worker: DevWorker, prefix: string, count: number): Promise<void> {
  await untilRows(worker, count, () => send(worker.url, "label", { prefix }));
}

/** Waits until there are `count` more rows. @throws Error when they do not come */
async function untilRows({ url }: DevWorker, count: number, work: () => Promise<void>): Promise<void> {
  const rows = async () => (await getJson<{ pictures: number }>(`${url}/v1/pictures/status`)).pictures;
  const wanted = (await rows()) + count;
  const deadline = Date.now() + waitMs;
  await work();
  while ((await rows()) < wanted) {
    if (Date.now() > deadline)
      throw new Error(`the queue labelled fewer than ${count} pictures in ${waitMs} ms`);
    await sleep(pollMs);
  }
}

async function send(url: string, route: string, body: object): Promise<void> {
  const response = await fetch(`${url}/v1/pictures/${route}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`POST /v1/pictures/${route} answers ${await response.text()}`);
}

/** Measures the stages of the consumer: with one picture at a time, nothing waits for anything else. */
async function measureStages(worker: DevWorker): Promise<Omit<Parameters, "pictures">> {
  for (let i = 0; i < singles; i++) await label(worker, `single/${i}.`, 1);
  const alone = (await worker.logs("queue_batch")).map(
    ({ stages_ms }) => stages_ms as Record<string, number>,
  );
  const of = (...names: string[]) =>
    median(alone.slice(-singles).map((stages) => names.reduce((sum, name) => sum + (stages[name] ?? 0), 0)));
  const [headMs, findMs, readMs, saveMs] = [of("head") / 2, of("find"), of("read"), of("save")];
  const cpuMs = of("hash", "cache", "image", "load", "run");
  const pictureMs = 2 * headMs + findMs + readMs + cpuMs + saveMs;
  // The last message is about a new picture. Its row shows that all batches are done.
  const keys = [...Array.from({ length: repeats - 1 }, () => "single/0."), `single/${singles}.`];
  const events = keys.map((key) => ({
    action: "PutObject",
    bucket: defaultName,
    object: { key },
    eventTime: "",
  }));
  const startedMs = performance.now();
  await untilRows(worker, 1, () => send(worker.url, "events", { events }));
  const batchMs = (performance.now() - startedMs - pictureMs) / (repeats / batchSize);
  return {
    ...defaults,
    // wrangler's R2 and D1 run on the Worker's own thread, so nothing overlaps.
    lanes: 1,
    ...{ maxConsumers: 1, failureRate: 0, d1NetworkMs: 0, d1ReadMs: findMs, d1WriteMs: saveMs },
    r2Ms: (2 * headMs + readMs) / 3,
    cpuMs,
    // The calls of a batch run on one thread, one after the other.
    dispatchMs: Math.max(0, batchMs - batchSize * (headMs + findMs)),
  };
}

/** The bindings of a bucket that is labelled, with full batches delivered at once. */
function bindings() {
  const id = "00000000-0000-0000-0000-000000000000";
  const database = { binding: "PICTURES_DB", database_name: defaultName, database_id: id };
  return {
    r2_buckets: [...readProjectConfig().r2_buckets, { binding: "PICTURES", bucket_name: defaultName }],
    d1_databases: [{ ...database, migrations_dir: path.join(projectFolder, "migrations") }],
    queues: {
      producers: [{ binding: "PICTURES_QUEUE", queue: defaultName }],
      consumers: [{ queue: defaultName, max_batch_size: batchSize, max_batch_timeout: 0 }],
    },
  };
}

/** Creates the tables, and puts the pictures of all rounds into the bucket. */
async function prepare(stateFolder: string, settings: ReturnType<typeof bindings>): Promise<void> {
  const config = path.join(stateFolder, "migrations.json");
  const { name, compatibility_date } = readProjectConfig();
  await writeFile(config, JSON.stringify({ name, compatibility_date, d1_databases: settings.d1_databases }));
  const args = [
    "d1",
    "migrations",
    "apply",
    "PICTURES_DB",
    "--local",
    "--config",
    config,
    "--persist-to",
    stateFolder,
  ];
  const { code, stderr } = await runWrangler(args, "capture", { CI: "1" });
  if (code !== 0) throw new Error(`the migrations failed: ${stderr}`);
  const variants = await jpegs();
  await withLocalBucket(
    async (bucket) => {
      for (let i = 0; i <= singles; i++)
        await bucket.put(`single/${i}.`, marked(variants[i % variants.length]!, 1 + i));
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < pictures; i++) {
          await bucket.put(
            `${round}/${i}`,
            marked(variants[i % variants.length]!, 100_000 * (round + 1) + i),
          );
        }
      }
    },
    { bucket: defaultName, persistTo: stateFolder },
  );
}

/** The example pictures as 500x375 JPEGs. */
async function jpegs(): Promise<Uint8Array[]> {
  const folder = path.join(projectFolder, "examples", "images");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".jpg")).sort();
  return Promise.all(
    files.map(async (file) =>
      sharp(await readFile(path.join(folder, file)))
        .resize(500, 375)
        .jpeg()
        .toBuffer(),
    ),
  );
}

/** Adds bytes after the end of a JPEG, so that no cache knows it. Decoders ignore them. */
function marked(jpeg: Uint8Array, number: number): Uint8Array {
  return new Uint8Array([...jpeg, ...new Uint8Array(Uint32Array.of(number).buffer)]);
}
