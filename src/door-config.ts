/** The variables of the door: who may call, and from whose pages. Messages never repeat a value: keys are secrets. */
import { z } from "zod";
import { minApiKeyChars } from "./limits.ts";

/** What an Authorization header can carry (RFC 6750, b64token). A key of anything else could never be sent. */
const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/;

const keysError = `expected API keys separated by commas, each of at least ${minApiKeyChars} characters of A-Z a-z 0-9 . _ ~ + / - (set with npx wrangler secret put API_KEYS)`;
const originsError =
  "expected * or origins separated by commas, each as browsers send it, such as https://example.com: no path, no trailing slash";

/** Comma-separated, several for rotation. Set but empty is a mistake, not an open door. */
export const apiKeysSchema = list(keysError)
  .refine((keys) => keys.every((key) => key.length >= minApiKeyChars && bearerToken.test(key)), {
    error: keysError,
  })
  .default([]);

/** Exact origins, comma-separated, or `*` alone; empty or unset is none. */
export const corsOriginsSchema = list(originsError)
  .transform((items) => items.filter(Boolean))
  .refine((origins) => (origins.length === 1 && origins[0] === "*") || origins.every(isOrigin), {
    error: originsError,
  })
  .default([]);

function list(error: string) {
  return z.string({ error }).transform((text) => text.split(",").map((item) => item.trim()));
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
