/** What labelling a bucket costs. */
import { dollarsFor, type Price, prices } from "./prices.ts";

/** What one picture takes. test/worker/pictures-faults.test.ts counts the calls. */
const perPicture = {
  /** The head, the object, and the head again. */
  r2Reads: 3,
  /** The message is written, read and deleted. */
  queueOperations: 3,
  /** Whether there is a row, and the row that the write replaces. */
  d1RowsRead: 2,
  /** The row and its entry in the index. */
  d1RowsWritten: 2,
} as const;

/** Messages of one invocation of the consumer, as in wrangler.toml. */
export const batchSize = 10;

/** One item of the cost. */
export interface CostItem {
  readonly what: string;
  readonly quantity: number;
  /** US dollars, before the quantities that a month includes. */
  readonly dollars: number;
  /** US dollars, if nothing else uses the included quantities. */
  readonly billed: number;
}

/** Estimates the cost of labelling pictures, without storing them. @param cpuMs of one picture */
export function bucketCost(pictures: number, cpuMs: number): CostItem[] {
  const item = (what: string, quantity: number, price: Price): CostItem => {
    const billed = dollarsFor(quantity, price);
    return { what, quantity, dollars: dollarsFor(quantity, { ...price, included: 0 }), billed };
  };
  return [
    item("CPU ms", pictures * cpuMs, prices.cpuMs),
    item("queue operations", pictures * perPicture.queueOperations, prices.queueOperations),
    item("R2 reads (class B)", pictures * perPicture.r2Reads, prices.r2Reads),
    item("D1 rows written", pictures * perPicture.d1RowsWritten, prices.d1RowsWritten),
    item("D1 rows read", pictures * perPicture.d1RowsRead, prices.d1RowsRead),
    item("requests (batches)", Math.ceil(pictures / batchSize), prices.requests),
  ];
}
