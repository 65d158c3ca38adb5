/** Requests that have passed through this Worker already. Every fetch of ours says so in Via (RFC 9110, 7.6.3). */
import { ClassifierError } from "../errors.ts";

const pseudonym = "edge-resnet";

export const viaHeader = `1.1 ${pseudonym}`;

/** @throws ClassifierError loop_detected */
export function refuseLoop(headers: Headers): void {
  const hops = (headers.get("Via") ?? "").split(",");
  if (hops.some((hop) => hop.trim().split(/\s+/)[1] === pseudonym)) {
    throw new ClassifierError({ code: "loop_detected" });
  }
}
