/** The Worker's own account of the requests: what its log lines say, counted as they come. */

/** Asked for by the tools themselves, not by the traffic. */
const ownPaths: ReadonlySet<unknown> = new Set(["/healthz", "/readyz"]);
/** X-Request-Id of the single requests that the tools send beside the traffic. */
export const probeId = "soak-probe";

export interface LoggedRequests {
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byId: ReadonlyMap<string, string>;
}

export class WorkerLog {
  #byStatus: Record<string, number> = {};
  #byId = new Map<string, string>();
  /** Takes one structured line. */
  readonly take = (line: Readonly<Record<string, unknown>>): void => {
    if (line.event !== "request" || ownPaths.has(line.path) || line.id === probeId) return;
    const status = String(line.status);
    this.#byStatus[status] = (this.#byStatus[status] ?? 0) + 1;
    this.#byId.set(String(line.id), status);
  };

  /** Requests by status, and the status of each by its id; from here on anew. */
  drain(): LoggedRequests {
    const drained = { byStatus: this.#byStatus, byId: this.#byId };
    this.#byStatus = {};
    this.#byId = new Map();
    return drained;
  }
}
