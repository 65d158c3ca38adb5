/** What a check found, and how to fix it. */
import { CommandError } from "../terminal/fail.ts";

/** One result of a check. */
export type Finding =
  | { readonly level: "ok"; readonly what: string }
  | { readonly level: "warning" | "broken"; readonly what: string; readonly fix: string };

/** Everything is as it should be. */
export const ok = (what: string): Finding => ({ level: "ok", what });
/** It works, but not as one would expect. */
export const warning = (what: string, fix: string): Finding => ({ level: "warning", what, fix });
/** Something that is documented does not work. */
export const broken = (what: string, fix: string): Finding => ({ level: "broken", what, fix });

/** The finding for a command's clear error. Throws any other error again. */
export function brokenBy(error: unknown, fix?: string): Finding {
  if (!(error instanceof CommandError)) throw error;
  return broken(error.what, fix ?? error.fix);
}

/** Where to look. Tests point it at copies. */
export interface Patient {
  /** The project's folder, with package.json and wrangler.toml. */
  readonly folder: string;
  /** Port of `npm start`. */
  readonly port: number;
  /** Port of wrangler's inspector. */
  readonly inspectorPort: number;
  /** Whether to check the bucket in the Cloudflare account too. */
  readonly remote: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Checks one thing and returns everything it found. */
export type Check = (patient: Patient) => Promise<Finding[]>;
