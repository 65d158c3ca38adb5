/**
 * A discrete-event simulation of labelling a bucket: a backlog of messages, consumers that Queues adds while there is a
 * backlog, one CPU per consumer, and one D1 database for all of them.
 */
import TinyQueue from "tinyqueue";

/** What is simulated. All times are milliseconds. */
export interface Parameters {
  readonly pictures: number;
  /** Consumers that run at once, at most. Queues allows 250. */
  readonly maxConsumers: number;
  /**
   * Time between two consumers that are added while there is a backlog. Queues decides after each batch and does not
   * publish how (developers.cloudflare.com/queues/configuration/consumer-concurrency/).
   */
  readonly scaleUpMs: number;
  readonly batchSize: number;
  /** Time from the end of a batch until the consumer has the next one. */
  readonly dispatchMs: number;
  /** Messages of a batch that are handled at once. */
  readonly lanes: number;
  /** CPU time of a picture. The pictures of a consumer share one thread. */
  readonly cpuMs: number;
  /** Time of one call to R2. A picture takes three. */
  readonly r2Ms: number;
  /** Time on the way to D1 and back, beyond that in the database. */
  readonly d1NetworkMs: number;
  /** Time in the database, which runs one query at a time. */
  readonly d1ReadMs: number;
  readonly d1WriteMs: number;
  /** Share of the pictures whose first attempt fails. They return after two seconds. */
  readonly failureRate: number;
  readonly seed: number;
}

/** What came of it. */
export interface Outcome {
  readonly seconds: number;
  readonly picturesPerSecond: number;
  /** Share of the time in which the database is busy. */
  readonly databaseLoad: number;
  /** Share of the consumers' time in which their threads are busy. */
  readonly cpuLoad: number;
  readonly consumers: number;
  readonly labelled: number;
  /** Attempts, with those that failed. */
  readonly attempts: number;
}

/** Defaults: CPU as measured, the others as assumptions about Cloudflare's network. docs/bucket.md explains them. */
export const defaults: Omit<Parameters, "pictures"> = {
  ...{ maxConsumers: 250, scaleUpMs: 1000, batchSize: 10, dispatchMs: 20, lanes: 4 },
  ...{ cpuMs: 71, r2Ms: 30, d1NetworkMs: 20, d1ReadMs: 0.2, d1WriteMs: 1 },
  ...{ failureRate: 0.001, seed: 1 },
};

/** A server that handles one task after the other. */
class Server {
  busyMs = 0;
  #freeMs = 0;

  /** Returns when a task that arrives at `nowMs` is done. Tasks must arrive in the order of their times. */
  use(nowMs: number, ms: number): number {
    this.#freeMs = Math.max(nowMs, this.#freeMs) + ms;
    this.busyMs += ms;
    return this.#freeMs;
  }
}

interface Event {
  readonly atMs: number;
  readonly run: (nowMs: number) => void;
}

const retryMs = 2000;

/** Runs the simulation. The same parameters give the same outcome. */
export function simulate(parameters: Parameters): Outcome {
  const { pictures, maxConsumers, scaleUpMs, batchSize, dispatchMs, lanes, cpuMs, r2Ms } = parameters;
  const { d1NetworkMs, d1ReadMs, d1WriteMs, failureRate, seed } = parameters;
  const events = new TinyQueue<Event>([], (a, b) => a.atMs - b.atMs);
  const at = (atMs: number, run: Event["run"]) => events.push({ atMs, run });
  const database = new Server();
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  let [waiting, labelled, attempts, consumers, lastScaleMs, cpuBusyMs, endMs] = [pictures, 0, 0, 0, 0, 0, 0];
  let idle: Server[] = [];

  const query = (nowMs: number, ms: number, next: Event["run"]) =>
    at(nowMs + d1NetworkMs / 2, (arrivedMs) => at(database.use(arrivedMs, ms) + d1NetworkMs / 2, next));

  /** The stages of a picture, in the order of src/pictures/labeller.ts. */
  function label(nowMs: number, thread: Server, done: Event["run"]): void {
    attempts++;
    const fails = random() < failureRate;
    at(nowMs + r2Ms, (headMs) =>
      query(headMs, d1ReadMs, (foundMs) =>
        at(foundMs + r2Ms, (readMs) => {
          cpuBusyMs += cpuMs;
          at(thread.use(readMs, cpuMs), (scoredMs) => {
            if (fails) {
              at(scoredMs + retryMs, (backMs) => {
                waiting++;
                wake(backMs);
              });
              return done(scoredMs);
            }
            query(scoredMs, d1WriteMs, (savedMs) =>
              at(savedMs + r2Ms, (checkedMs) => {
                labelled++;
                endMs = Math.max(endMs, checkedMs);
                done(checkedMs);
              }),
            );
          });
        }),
      ),
    );
  }

  function takeBatch(nowMs: number, thread: Server): void {
    let left = Math.min(batchSize, waiting);
    if (left === 0) {
      idle.push(thread);
      return;
    }
    waiting -= left;
    let running = 0;
    const fill = (ms: number) => {
      while (running < lanes && left > 0) {
        left--;
        running++;
        label(ms, thread, finish);
      }
    };
    const finish = (ms: number) => {
      running--;
      fill(ms);
      if (running > 0) return;
      scaleUp(ms);
      at(ms + dispatchMs, (nextMs) => takeBatch(nextMs, thread));
    };
    fill(nowMs);
  }

  function addConsumer(nowMs: number): void {
    consumers++;
    lastScaleMs = nowMs;
    takeBatch(nowMs, new Server());
  }

  function scaleUp(nowMs: number): void {
    const mayScale = consumers < maxConsumers && nowMs - lastScaleMs >= scaleUpMs;
    if (mayScale && waiting >= batchSize) addConsumer(nowMs);
  }

  function wake(nowMs: number): void {
    const sleeping = idle;
    idle = [];
    for (const thread of sleeping) takeBatch(nowMs, thread);
  }

  addConsumer(0);
  for (let event = events.pop(); event; event = events.pop()) event.run(event.atMs);
  return {
    seconds: endMs / 1000,
    picturesPerSecond: (1000 * labelled) / endMs,
    databaseLoad: database.busyMs / endMs,
    cpuLoad: cpuBusyMs / (endMs * consumers),
    ...{ consumers, labelled, attempts },
  };
}

/** Pictures that are simulated one by one. Beyond, the speed of the last ones continues. */
export const maxSimulated = 1_000_000;

/** Simulates any number of pictures: those beyond `maxSimulated` at the speed that the simulation has reached. */
export function simulateMany(parameters: Parameters): Outcome {
  if (parameters.pictures <= maxSimulated) return simulate(parameters);
  const whole = simulate({ ...parameters, pictures: maxSimulated });
  const half = simulate({ ...parameters, pictures: maxSimulated / 2 });
  const steadyPerSecond = maxSimulated / 2 / (whole.seconds - half.seconds);
  const seconds = whole.seconds + (parameters.pictures - maxSimulated) / steadyPerSecond;
  const labelled = parameters.pictures;
  return { ...whole, seconds, labelled, picturesPerSecond: labelled / seconds };
}
