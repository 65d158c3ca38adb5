/** The real Worker on bindings that count calls and fail as `PUT /.faults` says. */
import type { Env } from "../../../src/config.ts";
import worker from "../../../src/index.ts";
import type {
  PictureBucket,
  PictureDatabase,
  PictureQueue,
  Statement,
  Value,
} from "../../../src/pictures/bindings.ts";
import type { Counts, Faults, Interference, Operation } from "./faults.ts";

type Bound = Env & {
  readonly PICTURES: PictureBucket;
  readonly PICTURES_DB: PictureDatabase;
  readonly PICTURES_QUEUE: PictureQueue;
};

let faults: Faults = {};
let counts: Counts = {};
let interferences: (Interference & { passed: number })[] = [];
let state = 1;
let abort: (() => void) | undefined;
let env: Bound;

function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

function count(what: Operation | "aborted"): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

async function interfere(operation: Operation, key: string): Promise<void> {
  for (const step of interferences.filter((each) => each.before === operation && each.key === key)) {
    if (step.passed++ < (step.skip ?? 0)) continue;
    interferences = interferences.filter((each) => each !== step);
    // An upload later than the one before, as in R2, whose clock is finer than the time between two uploads.
    await new Promise((resolve) => setTimeout(resolve, 2));
    const { target = key } = step;
    if (step.upload === undefined) await env.PICTURES.delete(target);
    else
      await upload(
        target,
        Uint8Array.from(atob(step.upload), (c) => c.charCodeAt(0)),
      );
  }
}

async function upload(key: string, bytes: Uint8Array): Promise<void> {
  await env.PICTURES.put(key, new Blob([bytes]).stream() as ReadableStream<Uint8Array>, {});
}

/** Runs a call of a binding, or fails. */
async function step<T>(
  operation: Operation,
  key: string,
  isWrite: boolean,
  call: () => Promise<T>,
): Promise<T> {
  count(operation);
  await interfere(operation, key);
  const { failing = 0, aborting = 0, operations } = faults;
  if (operations && !operations.includes(operation)) return call();
  if (abort && random() < aborting) {
    count("aborted");
    abort();
    return new Promise(() => {});
  }
  if (random() >= failing) return call();
  if (isWrite && random() < 0.5) await call();
  throw new Error(`${operation}: We encountered an internal error. Please try again. (10001)`);
}

const bucket: PictureBucket = {
  head: (key) => step("bucket.head", key, false, () => env.PICTURES.head(key)),
  get: (key, options) => step("bucket.get", key, false, () => env.PICTURES.get(key, options)),
  put: (key, value, options) => step("bucket.put", key, true, () => env.PICTURES.put(key, value, options)),
  delete: (key) => step("bucket.delete", key, true, () => env.PICTURES.delete(key)),
  list: (options) => step("bucket.list", "", false, () => env.PICTURES.list(options)),
};

class FaultyStatement implements Statement {
  readonly #sql: string;
  readonly #values: Value[];

  constructor(sql: string, values: Value[] = []) {
    this.#sql = sql;
    this.#values = values;
  }

  bind(...values: Value[]): Statement {
    return new FaultyStatement(this.#sql, values);
  }

  all<Row>() {
    const isRead = this.#sql.startsWith("SELECT");
    const statement = env.PICTURES_DB.prepare(this.#sql).bind(...this.#values);
    const operation = isRead ? "database.read" : "database.write";
    return step(operation, String(this.#values[0]), !isRead, () => statement.all<Row>());
  }
}

const database: PictureDatabase = { prepare: (sql) => new FaultyStatement(sql) };

const queue: PictureQueue = {
  sendBatch: (messages) => step("queue.send", "", true, () => env.PICTURES_QUEUE.sendBatch(messages)),
  metrics: () => step("queue.metrics", "", false, () => env.PICTURES_QUEUE.metrics()),
};

function faulty(given: Env): Env {
  env = given as Bound;
  return { ...given, PICTURES: bucket, PICTURES_DB: database, PICTURES_QUEUE: queue };
}

export default {
  async fetch(request, given, ctx) {
    const bindings = faulty(given);
    if (new URL(request.url).pathname !== "/.faults") return worker.fetch(request, bindings, ctx);
    if (request.method === "PUT") {
      faults = (await request.json()) as Faults;
      counts = {};
      state = faults.seed ?? 1;
      interferences = (faults.interferences ?? []).map((each) => ({ ...each, passed: 0 }));
    }
    return Response.json(counts);
  },

  async queue(batch, given) {
    const aborted = Promise.withResolvers<never>();
    abort = () => aborted.reject(new Error("the invocation was aborted"));
    await Promise.race([worker.queue(batch, faulty(given)), aborted.promise]);
  },
} satisfies ExportedHandler<Env>;
