/**
 * Cloudflare's public prices in US dollars, a month. Read on 24 November 2026 from stored copies of
 * developers.cloudflare.com/workers/platform/pricing and developers.cloudflare.com/r2/pricing; they may have changed.
 */

/** The day on which the prices were read. */
export const pricesRead = "24 November 2026";
/** The pages that list the prices. */
export const priceSources = [
  "https://developers.cloudflare.com/workers/platform/pricing/",
  "https://developers.cloudflare.com/r2/pricing/",
] as const;

/** A quantity that is included, and the price of each further million. */
export interface Metered {
  readonly included: number;
  readonly dollarsPerMillion: number;
}

/** Workers Paid, usage model Standard. */
export const subscriptionDollars = 5;
/** Requests. */
export const requestPrice: Metered = { included: 10e6, dollarsPerMillion: 0.3 };
/** Milliseconds of CPU. */
export const cpuMsPrice: Metered = { included: 30e6, dollarsPerMillion: 0.02 };
/** Class B: reads. R2 has no charge for egress. */
export const r2ReadPrice: Metered = { included: 10e6, dollarsPerMillion: 0.36 };
/** Per GB-month, decimal gigabytes. */
export const r2StoragePrice = { includedGb: 10, dollarsPerGb: 0.015 } as const;
/** CPU that one request may take on the free plan. */
export const freePlanCpuMs = 10;
