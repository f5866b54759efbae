/**
 * Which proxy a request goes through, by the variables that curl and Go honour: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, in lower
 * case first; an empty one is none.
 * @module
 */
import { type Origin, parseHttpUrl } from "./origin.ts";

/** A forward proxy. */
export interface Proxy {
  origin: Origin;
  /** The value of `Proxy-Authorization`. Never to be shown. */
  authorization?: string;
}

/**
 * The proxy for an origin; null for a direct connection. Loopback and link-local addresses (the metadata services) are always
 * reached directly: they mean this machine, not the proxy's.
 *
 * @throws CopilotError `config` for a variable that is not an http URL
 */
export function proxyFor(env: Readonly<Record<string, string>>, origin: Origin): Proxy | null {
  const name = origin.secure ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = env[name.toLowerCase()] || env[name] || "";
  if (value === "" || isLocal(origin.hostname)) return null;
  if (isExempt(env["no_proxy"] || env["NO_PROXY"] || "", origin)) return null;
  const proxy = parseHttpUrl(value.includes("://") ? value : `http://${value}`, name);
  return {
    origin: proxy.origin,
    ...(proxy.authorization === undefined ? {} : { authorization: proxy.authorization }),
  };
}

function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" ||
    /^127\.|^169\.254\.|^fe[89ab][0-9a-f]:/.test(hostname);
}

/** NO_PROXY: `*`, a host and its subdomains (`.host` too), `host:port`, an address, an IPv4 network `10.0.0.0/8`. */
function isExempt(list: string, { hostname, port }: Origin): boolean {
  return list.toLowerCase().split(/[\s,]+/).some((entry) => {
    if (entry === "" || entry === "*") return entry === "*";
    if (entry.includes("/")) return inNetwork(hostname, entry);
    const portMatch = /^(\[.*\]|[^:]*):([0-9]+)$/.exec(entry);
    if (portMatch !== null && Number(portMatch[2]) !== port) return false;
    const name = (portMatch?.[1] ?? entry).replace(/^\[|\]$/g, "").replace(/^\*?\./, "");
    return hostname === name || hostname.endsWith(`.${name}`);
  });
}

function inNetwork(hostname: string, network: string): boolean {
  const slash = network.indexOf("/");
  const [address, base] = [ipv4(hostname), ipv4(network.slice(0, slash))];
  const bits = Number(network.slice(slash + 1));
  if (address === null || base === null || !(bits >= 0 && bits <= 32)) return false;
  return Math.floor(address / 2 ** (32 - bits)) === Math.floor(base / 2 ** (32 - bits));
}

function ipv4(text: string): number | null {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || !parts.every((part) => part >= 0 && part <= 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
