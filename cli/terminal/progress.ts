/** Shows the progress of long work: a bar on a terminal, plain lines elsewhere. Writes to stderr, since stdout is for results. */
import { Presets, SingleBar } from "cli-progress";

/** Shows how far the stages of some work are. */
export interface Progress {
  /** Reports that `done` of `total` steps of `stage` are done. */
  update(stage: string, done: number, total: number): void;
  /** Ends the display of the current stage. */
  stop(): void;
}

/** Chooses the display for a stream. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? new BarProgress(stream) : new LineProgress(stream);
}

/** Shows nothing. */
export const silentProgress: Progress = { update() {}, stop() {} };

class BarProgress implements Progress {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #stage = "";

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  update(stage: string, done: number, total: number): void {
    if (stage !== this.#stage) {
      this.stop();
      this.#stage = stage;
      const format = "{stage} {bar} {value}/{total}";
      this.#bar = new SingleBar({ format, stream: this.#stream, hideCursor: true }, Presets.shades_classic);
      this.#bar.start(total, 0, { stage: stage.padEnd(24) });
    }
    this.#bar?.setTotal(total);
    this.#bar?.update(done);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#stage = "";
  }
}

/** Prints a line at the start, at each quarter and at the end of a stage. */
class LineProgress implements Progress {
  readonly #stream: NodeJS.WriteStream;
  #last = "";

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  update(stage: string, done: number, total: number): void {
    const percent = total === 0 ? 100 : Math.floor((4 * done) / total) * 25;
    const line = `${stage}: ${percent}%`;
    if (line === this.#last) return;
    this.#last = line;
    this.#stream.write(`${line} (${done}/${total})\n`);
  }

  stop(): void {
    this.#last = "";
  }
}
