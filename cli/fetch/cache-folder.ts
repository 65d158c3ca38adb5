/** The folder of downloads: outside the project, so that every clone shares it and git never sees it. */
import { homedir } from "node:os";
import path from "node:path";

/** Returns `$XDG_CACHE_HOME/edge-resnet`, or `~/.cache/edge-resnet` when that variable is unset or relative (XDG Base Directory). */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const { XDG_CACHE_HOME: base } = env;
  const root = base && path.isAbsolute(base) ? base : path.join(homedir(), ".cache");
  return path.join(root, "edge-resnet");
}
