/** What Linux tells of a process. Elsewhere nothing is known: undefined. */
import { readdir, readFile } from "node:fs/promises";

/** Ticks a second of the times in /proc: 100 on every Linux that Node runs on (USER_HZ). */
const ticksPerSecond = 100;

/** Most resident bytes that the process has had: VmHWM. */
export function peakResidentBytes(pid: number): Promise<number | undefined> {
  return statusBytes(pid, /VmHWM:\s+(\d+) kB/);
}

/** Resident bytes of the process now: VmRSS. */
export function residentBytes(pid: number): Promise<number | undefined> {
  return statusBytes(pid, /VmRSS:\s+(\d+) kB/);
}

async function statusBytes(pid: number, line: RegExp): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const found = line.exec(status);
  return found ? Number(found[1]) * 1024 : undefined;
}

/** Milliseconds of CPU that all threads of the process have had, to 10 ms. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // After the name, which may hold anything: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? undefined : (1000 * ticks) / ticksPerSecond;
}

/** The processes of that name among `pid` and its descendants. */
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
