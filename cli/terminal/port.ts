/** Ports of this machine. */
import getPort, { clearLockedPorts } from "get-port";

/** The address on which everything here listens. */
export const localHost = "127.0.0.1";

/** Whether a server can listen on `port` of 127.0.0.1. */
export async function isPortFree(port: number): Promise<boolean> {
  const free = (await getPort({ port, host: localHost })) === port;
  // get-port reserves the port that it returns for a while. This function only looks.
  clearLockedPorts();
  return free;
}

/** Finds a port of 127.0.0.1 on which no server listens. */
export function freePort(): Promise<number> {
  return getPort({ host: localHost });
}

/** Returns a port to suggest when `port` is taken. */
export function portAfter(port: number): number {
  return port === 65_535 ? 8787 : port + 1;
}
