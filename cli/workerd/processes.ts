/** Memory and CPU of processes, from /proc. Undefined on systems other than Linux. */
import { readdir, readFile } from "node:fs/promises";

/** Ticks per second in /proc: 100 on every Linux that Node supports (USER_HZ). */
const ticksPerSecond = 100;

/** The largest resident size that the process has had, in bytes (VmHWM). */
export function peakResidentBytes(pid: number): Promise<number | undefined> {
  return statusBytes(pid, /VmHWM:\s+(\d+) kB/);
}

/** The resident size of the process, in bytes (VmRSS). */
export function residentBytes(pid: number): Promise<number | undefined> {
  return statusBytes(pid, /VmRSS:\s+(\d+) kB/);
}

async function statusBytes(pid: number, line: RegExp): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const found = line.exec(status);
  return found ? Number(found[1]) * 1024 : undefined;
}

/** CPU time of all threads of the process in milliseconds, to 10 ms. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name, which may contain anything, ends in a parenthesis. After it: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? undefined : (1000 * ticks) / ticksPerSecond;
}

/** Returns the processes of that name among `pid` and its descendants. */
export async function descendants(pid: number, name: string): Promise<number[]> {
  const parents = new Map<number, { parent: number; name: string }>();
  for (const entry of await readdir("/proc").catch(() => [])) {
    const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => "");
    const fields = /^(\d+) \((.*)\) \S (\d+)/.exec(stat);
    if (fields) parents.set(Number(fields[1]), { name: fields[2] ?? "", parent: Number(fields[3]) });
  }
  const descends = (child: number | undefined): boolean =>
    child !== undefined && (child === pid || descends(parents.get(child)?.parent));
  return [...parents]
    .filter(([child, facts]) => facts.name === name && descends(child))
    .map(([child]) => child);
}
