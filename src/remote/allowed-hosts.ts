/**
 * Which addresses images may be fetched from: a list of hosts, nothing else. The URL parser writes every notation of an IP
 * address (decimal, hex, octal, IPv4-mapped) in one way, and an address passes only where the list has it exactly so.
 * Pure.
 */

interface HostRule {
  readonly wildcard: boolean;
  /** Of the host, or of what follows `*`, with its dot. */
  readonly name: string;
  /** Empty for the default port of the scheme. */
  readonly port: string;
}

export type AllowedHosts = readonly HostRule[];

/** Hosts that are this machine: http is allowed for them, where they are listed, for development and tests. */
const localHosts: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/**
 * A comma-separated list of `host`, `host:port` or `*.domain.example`.
 * @throws Error that names the entry at fault
 */
export function parseAllowedHosts(list: string): AllowedHosts {
  const entries = list.split(",").map((entry) => entry.trim());
  return entries.filter((entry) => entry !== "").map(parseRule);
}

function parseRule(entry: string): HostRule {
  const wildcard = entry.startsWith("*.");
  const host = wildcard ? entry.slice(2) : entry;
  const url = /[/?#@\\*\s]/.test(host) ? null : URL.parse(`https://${host}`);
  if (!url?.hostname || url.hostname.endsWith(".")) throw new Error(`${JSON.stringify(entry)} is not a host`);
  // Names of numbers only are addresses, and *.com would be half of the web.
  if (wildcard && (isAddress(url.hostname) || !url.hostname.includes("."))) {
    throw new Error(
      `${JSON.stringify(entry)} is not a wildcard; one is *. before a domain such as example.com`,
    );
  }
  return { wildcard, name: wildcard ? `.${url.hostname}` : url.hostname, port: url.port };
}

/** Why an image may not be fetched from `url`, or undefined where it may. */
export function whyNotAllowed(url: URL, hosts: AllowedHosts): string | undefined {
  if (url.protocol !== "https:" && url.protocol !== "http:") return "it is not an https address";
  if (url.username !== "" || url.password !== "") return "the address has a user name or password in it";
  const named = hosts.filter((rule) => matches(rule, url.hostname));
  if (named.length === 0) {
    if (hosts.length === 0) return "no host is allowed";
    return isAddress(url.hostname) ? "it is an IP address and not in the list" : "it is not in the list";
  }
  if (!named.some((rule) => rule.port === url.port))
    return `port ${url.port || "80 or 443"} is not in the list`;
  if (url.protocol === "http:" && !localHosts.includes(url.hostname)) return "only https is allowed";
  return undefined;
}

function matches({ wildcard, name }: HostRule, hostname: string): boolean {
  return wildcard ? hostname.endsWith(name) && hostname.length > name.length : hostname === name;
}

/** As the URL parser writes them: [IPv6] in brackets, IPv4 in four decimals. */
function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}
