/** What a check found. Whatever is not well says how to mend it. */

export type Finding =
  | { readonly level: "ok"; readonly what: string }
  | { readonly level: "warning" | "broken"; readonly what: string; readonly mend: string };

export const ok = (what: string): Finding => ({ level: "ok", what });
/** It works, or will, but not as one would think. */
export const warning = (what: string, mend: string): Finding => ({ level: "warning", what, mend });
/** Something documented does not work. */
export const broken = (what: string, mend: string): Finding => ({ level: "broken", what, mend });

/** Where to look; a test points it at copies. */
export interface Patient {
  /** The project's folder, with package.json and wrangler.toml. */
  readonly folder: string;
  /** Port of `npm start`. */
  readonly port: number;
  /** Port of wrangler's inspector. */
  readonly inspectorPort: number;
  /** Look also at the bucket in the Cloudflare account. */
  readonly remote: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type Check = (patient: Patient) => Promise<Finding[]>;
