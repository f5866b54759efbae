/**
 * Addresses that an input's URL must not reach.
 *
 * Pure.
 * @module
 */
import { before } from "../text/trim.ts";
/** Names and addresses outside the link-local ranges where clouds hand out a machine's credentials. */
const METADATA_HOSTS: ReadonlySet<string> = new Set([
  // AWS: instances and pods.
  "fd00:ec2::254",
  "fd00:ec2::23",
  // Google, Oracle, Scaleway, over IPv6.
  "fd20:ce::254",
  "fd00:c1::a9fe:a9fe",
  "fd00:42::42",
  // Alibaba, Azure's WireServer, Oracle.
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "metadata",
  "metadata.goog",
  "metadata.google.internal",
  "instance-data",
  "instance-data.ec2.internal",
]);

/**
 * Whether a host is an address of a link-local or cloud metadata range, which an input's URL must not reach, or a name that
 * stands for one. An IPv4 address counts within every IPv6 address that leads to it.
 *
 * @param host as the URL parser gives it, which knows `2852039166` and `0xa9.254.169.254` for what they are, or as the system
 * gives the address of a connection
 */
export function isLinkLocal(host: string): boolean {
  const name = before(host.replace(/^\[|\]$/g, ""), "%").replace(/\.$/, "").toLowerCase();
  if (METADATA_HOSTS.has(name)) return true;
  const groups = groupsOf(name);
  if (groups === null) return name.startsWith("169.254.");
  const canonical = new URL(`http://[${groups.map((group) => group.toString(16)).join(":")}]`).hostname;
  return (groups[0]! & 0xffc0) === 0xfe80 || METADATA_HOSTS.has(canonical.slice(1, -1)) ||
    embedded(groups).some(isLinkLocal);
}

/** The eight 16-bit groups of an IPv6 address; null for anything else. */
function groupsOf(name: string): number[] | null {
  if (!name.includes(":")) return null;
  let hostname: string;
  try {
    hostname = new URL(`http://[${name}]`).hostname.slice(1, -1);
  } catch {
    return null;
  }
  const [before, after] = hostname.split("::").map((part) =>
    part.split(":").filter(Boolean).map((group) => parseInt(group, 16))
  );
  if (after === undefined) return before!;
  return [...before!, ...Array<number>(8 - before!.length - after.length).fill(0), ...after];
}

/** The IPv4 addresses that an IPv6 one may lead to. */
function embedded(groups: readonly number[]): string[] {
  const [a, b, c, d, e, f, g, h] = groups as [number, number, number, number, number, number, number, number];
  const found: string[] = [];
  // Compatible, mapped, translated: RFC 4291, section 2.5.5; RFC 2765, section 2.1.
  const isZero = a === 0 && b === 0 && c === 0 && d === 0;
  if (isZero && ((e === 0 && (f === 0 || f === 0xffff)) || (e === 0xffff && f === 0))) {
    found.push(dotted(g, h));
  }
  // NAT64, well known and local: RFC 6052, RFC 8215, with a prefix of 96 bits and of 48.
  if (a === 0x64 && b === 0xff9b) {
    found.push(dotted(g, h), dotted(d, ((e & 0xff) << 8) | (f >> 8)));
  }
  // 6to4: RFC 3056. Teredo, whose client is written inverted: RFC 4380.
  if (a === 0x2002) found.push(dotted(b, c));
  if (a === 0x2001 && b === 0) found.push(dotted(c, d), dotted(g ^ 0xffff, h ^ 0xffff));
  // ISATAP: RFC 5214.
  if ((e & 0xfdff) === 0 && f === 0x5efe) found.push(dotted(g, h));
  return found;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
