/** The Worker's own account of the requests: what its log lines say, counted as they come. */

/** Asked for by the tools themselves, not by the traffic. */
const ownPaths: ReadonlySet<unknown> = new Set(["/healthz", "/readyz"]);

export class WorkerLog {
  #byStatus: Record<string, number> = {};
  #decoderBytes = 0;
  /** Lines of failures of ours, the first few. */
  readonly failures: string[] = [];

  /** Takes one structured line. */
  readonly take = (line: Readonly<Record<string, unknown>>): void => {
    if (line.event !== "request" || ownPaths.has(line.path)) return;
    const status = String(line.status);
    this.#byStatus[status] = (this.#byStatus[status] ?? 0) + 1;
    this.#decoderBytes = Math.max(this.#decoderBytes, Number(line.decoder_memory_bytes ?? 0));
    if (status.startsWith("5") && status !== "503" && this.failures.length < 5)
      this.failures.push(JSON.stringify(line));
  };

  /** The largest WASM memory that a decoder has had so far. */
  get decoderBytes(): number {
    return this.#decoderBytes;
  }

  /** Requests by status, and from here on anew. */
  drain(): Record<string, number> {
    const counted = this.#byStatus;
    this.#byStatus = {};
    return counted;
  }
}
