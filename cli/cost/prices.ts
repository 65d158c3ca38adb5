/**
 * Cloudflare's public prices, and the measured CPU time of an image. The prices are from stored copies of the pages in
 * priceSources; they may have changed.
 */

/** The day on which the prices were read. */
export const pricesRead = "24 November 2026";
/** The pages that list the prices of an endpoint. */
export const priceSources = [
  "https://developers.cloudflare.com/workers/platform/pricing/",
  "https://developers.cloudflare.com/r2/pricing/",
] as const;
/** The pages that list the further prices of a labelled bucket. */
export const bucketPriceSources = [
  "https://developers.cloudflare.com/queues/platform/pricing/",
  "https://developers.cloudflare.com/d1/platform/pricing/",
] as const;

/** A price a month: the included quantity, and the dollars for each further `per` units. */
export interface Price {
  readonly included: number;
  readonly dollars: number;
  readonly per: number;
}

/** Prices a month. */
export const prices = {
  /** Workers Paid, usage model Standard. */
  subscription: { included: 0, dollars: 5, per: 1 },
  requests: { included: 10e6, dollars: 0.3, per: 1e6 },
  cpuMs: { included: 30e6, dollars: 0.02, per: 1e6 },
  /** Class B operations. R2 has no charge for egress. */
  r2Reads: { included: 10e6, dollars: 0.36, per: 1e6 },
  /** Class A operations: writes and lists. */
  r2Writes: { included: 1e6, dollars: 4.5, per: 1e6 },
  /** Decimal gigabytes. */
  r2StorageGb: { included: 10, dollars: 0.015, per: 1 },
  /** Operations of Queues. A message takes three: a write, a read and a delete. */
  queueOperations: { included: 1e6, dollars: 0.4, per: 1e6 },
  d1RowsRead: { included: 25e9, dollars: 0.001, per: 1e6 },
  d1RowsWritten: { included: 50e6, dollars: 1, per: 1e6 },
  d1StorageGb: { included: 5, dollars: 0.75, per: 1 },
} as const satisfies Record<string, Price>;

/** Returns the dollars for a quantity in a month. */
export function dollarsFor(quantity: number, { included, dollars, per }: Price): number {
  return (Math.max(0, quantity - included) / per) * dollars;
}

/** The measured cost of one image. */
export interface UnitCosts {
  readonly missCpuMs: number;
  readonly hitCpuMs: number;
  /** Loading the model and answering. */
  readonly coldCpuMs: number;
  readonly r2ReadsPerCold: number;
  readonly packBytes: number;
}

const marker = "measured unit costs: ";

/** Returns a Markdown comment that holds the costs. */
export function unitCostsComment(costs: UnitCosts): string {
  return `<!-- ${marker}${JSON.stringify(costs)} -->`;
}

/** Reads that comment. Returns undefined when the document has none. */
export function unitCostsFromDocument(markdown: string): UnitCosts | undefined {
  const found = new RegExp(`<!-- ${marker}(\\{.*\\}) -->`).exec(markdown)?.[1];
  return found === undefined ? undefined : (JSON.parse(found) as UnitCosts);
}
