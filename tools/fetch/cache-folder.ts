/** Where downloads are kept: outside the project, so that they outlive a clone and never reach git. */
import { homedir } from "node:os";
import path from "node:path";

/** `$XDG_CACHE_HOME/edge-resnet`, or `~/.cache/edge-resnet` where that is unset or relative (as its specification says). */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const { XDG_CACHE_HOME: base } = env;
  const root = base && path.isAbsolute(base) ? base : path.join(homedir(), ".cache");
  return path.join(root, "edge-resnet");
}
