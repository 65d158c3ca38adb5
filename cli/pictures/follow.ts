/** Waits until the queue is empty, and shows the progress. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "../terminal/progress.ts";
import type { PicturesApi, Status } from "./api.ts";

const pollMs = 1000;
/** Equal answers in a row after which nothing is in progress. The queue does not count the messages that it has delivered. */
const quietPolls = 3;

/**
 * Waits until the messages of the queue are handled. Messages that wait for a retry are not waited for.
 * @param total messages that were sent
 */
export async function followQueue(api: PicturesApi, total: number, progress: Progress): Promise<Status> {
  let last = "";
  for (let quiet = 0; ; ) {
    const status = await api.status();
    const now = JSON.stringify(status);
    quiet = status.waiting === 0 && now === last ? quiet + 1 : 0;
    last = now;
    const left = quiet === quietPolls ? 0 : Math.min(total, Math.max(status.waiting, total === 0 ? 0 : 1));
    progress.update("label", total - left, total);
    if (quiet === quietPolls) {
      progress.stop();
      return status;
    }
    await sleep(pollMs);
  }
}
