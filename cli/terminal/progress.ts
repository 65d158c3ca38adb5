/** Shows the progress of long work: a bar on a terminal, plain lines elsewhere. Writes to stderr, since stdout is for results. */
import { Presets, SingleBar } from "cli-progress";

/** Shows the progress of work that has several stages. */
export interface Progress {
  /** Reports that `done` of `total` steps of `stage` are done. */
  update(stage: string, done: number, total: number): void;
  /** Ends the display of the current stage. */
  stop(): void;
}

/** Chooses the display for a stream. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? barProgress(stream) : lineProgress(stream);
}

/** Shows nothing. */
export const silentProgress: Progress = { update() {}, stop() {} };

function barProgress(stream: NodeJS.WriteStream): Progress {
  const format = "{stage} {bar} {value}/{total}";
  const bar = new SingleBar({ format, stream, hideCursor: true }, Presets.shades_classic);
  let current = "";
  const stop = () => {
    if (current !== "") bar.stop();
    current = "";
  };
  return {
    stop,
    update(stage, done, total) {
      if (stage !== current) {
        stop();
        current = stage;
        bar.start(total, 0, { stage: stage.padEnd(24) });
      }
      bar.setTotal(total);
      bar.update(done);
    },
  };
}

/** Prints a line at the start, at each quarter and at the end of a stage. */
function lineProgress(stream: NodeJS.WriteStream): Progress {
  let last = "";
  return {
    stop() {
      last = "";
    },
    update(stage, done, total) {
      const percent = total === 0 ? 100 : Math.floor((4 * done) / total) * 25;
      const line = `${stage}: ${percent}%`;
      if (line !== last) stream.write(`${line} (${done}/${total})\n`);
      last = line;
    },
  };
}

/** Iterates over `items`, and shows how many of them are done. */
export function* tracked<T>(progress: Progress, stage: string, items: readonly T[]): Generator<T> {
  if (items.length === 0) return;
  try {
    for (const [done, item] of items.entries()) {
      progress.update(stage, done, items.length);
      yield item;
    }
    progress.update(stage, items.length, items.length);
  } finally {
    progress.stop();
  }
}
