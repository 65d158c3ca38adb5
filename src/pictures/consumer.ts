/** Handles the messages of the queue and of its dead letter queue. */
import { Stages } from "../classifier/classifier.ts";
import { pause } from "../concurrency/timeout.ts";
import { toClassifierError } from "../errors.ts";
import type { PictureBatch, PictureMessage } from "./bindings.ts";
import type { Labeller } from "./labeller.ts";
import { parseMessage } from "./messages.ts";
import type { PictureStore } from "./picture-store.ts";

/** End of the name of a dead letter queue. */
const deadLetterSuffix = "-dead";

/** Messages of a batch that are handled at once: while one picture is scored, others are read and written. */
const maxConcurrent = 4;

/** Longest delay of a retry. */
const maxDelaySeconds = 3600;

/** What handles the messages. */
export interface ConsumerOptions {
  readonly labeller: Labeller;
  readonly store: PictureStore;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/**
 * Handles a batch. Each message is acknowledged or retried on its own, so that one failure does not repeat the others.
 * Never rejects.
 */
export async function consume(batch: PictureBatch, options: ConsumerOptions): Promise<void> {
  const isDead = batch.queue.endsWith(deadLetterSuffix);
  const counts: Record<string, number> = {};
  const stages = new Stages();
  await inParallel(batch.messages, async (message) => {
    const done = await attempt(message, options.log, () =>
      isDead ? bury(message, options.store) : label(message, options, stages),
    );
    counts[done] = (counts[done] ?? 0) + 1;
  });
  const stages_ms = Object.fromEntries(stages.entries());
  options.log({
    event: "queue_batch",
    queue: batch.queue,
    messages: batch.messages.length,
    ...counts,
    stages_ms,
  });
}

/** Retries a whole batch, because the Worker's settings are not valid. */
export function refuse(
  batch: PictureBatch,
  error: unknown,
  log: (event: Readonly<Record<string, unknown>>) => void,
): void {
  for (const message of batch.messages) message.retry({ delaySeconds: delayAfter(message.attempts) });
  log({ event: "queue_batch_refused", queue: batch.queue, reason: toClassifierError(error).message });
}

async function attempt(
  message: PictureMessage,
  log: ConsumerOptions["log"],
  work: () => Promise<string>,
): Promise<string> {
  try {
    const done = await work();
    message.ack();
    return done;
  } catch (thrown) {
    const error = toClassifierError(thrown);
    const delaySeconds = delayAfter(message.attempts);
    message.retry({ delaySeconds });
    const { code } = error.reason;
    const cause = error.cause === undefined ? {} : { cause: String(error.cause) };
    const key = parseMessage(message.body)?.key;
    log({
      event: "queue_retry",
      key,
      code,
      detail: error.message,
      ...cause,
      attempts: message.attempts,
      delaySeconds,
    });
    return "retried";
  }
}

/** Labels what a message names. A message that is not understood is recorded, because a retry would not help. */
async function label(
  message: PictureMessage,
  { labeller, store }: ConsumerOptions,
  stages: Stages,
): Promise<string> {
  const request = parseMessage(message.body);
  return request ? labeller.label(request, stages) : bury(message, store);
}

async function bury({ id, body }: PictureMessage, store: PictureStore): Promise<string> {
  await store.bury({ id, key: parseMessage(body)?.key, body }, Date.now());
  return "dead";
}

/** Doubles from 2 s. A random part keeps messages that failed together from returning together. */
function delayAfter(attempts: number): number {
  const delaySeconds = Math.min(maxDelaySeconds, 2 ** attempts);
  return Math.ceil(delaySeconds * (0.75 + Math.random() / 4));
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const remaining = items.values();
  const lanes = Array.from({ length: maxConcurrent }, async () => {
    for (const item of remaining) {
      await work(item);
      // Scoring blocks the thread. Requests get their turn between two pictures.
      await pause(0);
    }
  });
  await Promise.all(lanes);
}
