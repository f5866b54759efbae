/**
 * Hosts as the run's permissions take them: what a URL parser lets through is not always a name, and may be a pattern.
 *
 * Pure.
 * @module
 */
import { cannot } from "../errors.ts";

/** RFC 1123, section 2.1, and `_`, which container networks use. */
const LABEL = /^[a-z0-9_-]{1,63}$/i;
const MAX_NAME_CHARS = 253;
const IPV6 = /^[0-9a-f:.]{2,45}$/i;

/**
 * `host:port` for the run's permissions.
 *
 * @param hostname a name or an address, IPv6 with or without brackets
 * @throws CopilotError `input` for anything else: a wildcard would allow more than the one host, and a name that the runtime does
 *   not take could not be given to a Worker at all
 */
export function hostPermission(hostname: string, port: number | string): string {
  const bare = hostname.replace(/^\[|\]$/g, "");
  if (bare.includes(":") ? isIpv6(bare) : isName(bare)) {
    return `${bare.includes(":") ? `[${bare}]` : bare}:${port}`;
  }
  throw cannot(`use the host ${JSON.stringify(hostname.slice(0, 300))}`, {
    input: "expected an address or a name of " +
      "letters, digits, - and _ between single dots",
  });
}

function isIpv6(text: string): boolean {
  return IPV6.test(text) && URL.canParse(`http://[${text}]/`);
}

/** Whether a text is a host's name or an IPv4 address; the dot of the root may follow. */
function isName(text: string): boolean {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  return name.length <= MAX_NAME_CHARS && name.split(".").every((label) => LABEL.test(label));
}
