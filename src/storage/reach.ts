/**
 * Addresses that an input's URL must not reach.
 *
 * Pure.
 * @module
 */
import { cannot } from "../errors.ts";
import type { StoreUri } from "./uri.ts";

/** Names and addresses outside the link-local ranges where clouds hand out a machine's credentials. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "metadata",
  "metadata.goog",
  "metadata.google.internal",
  "instance-data",
  "instance-data.ec2.internal",
]);

/** 169.254.0.0/16 as it is, and within IPv6: mapped, compatible, translated (RFC 4291, RFC 6052); fe80::/10. */
const LINK_LOCAL = /^(?:169\.254\.|::(?:ffff:)?a9fe:|::ffff:169\.254\.|64:ff9b::a9fe:|fe[89ab][0-9a-f]:)/;

/**
 * Whether an address belongs to a link-local or cloud metadata range, which an input's URL must not reach.
 *
 * @param host as the URL parser gives it, which knows `2852039166` and `0xa9.254.169.254` for what they are
 */
export function isLinkLocal(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
  return LINK_LOCAL.test(name) || METADATA_NAMES.has(name);
}

/** The host that a URI names, in its one spelling, which only URLs of http have. @throws CopilotError `config` where there is none */
export function hostnameOf(uri: StoreUri): string {
  try {
    return new URL(`http://${uri.container}`).hostname;
  } catch {
    // The text may hold a password, so it is not repeated.
    throw cannot("use an address", { config: "it is not a URL" });
  }
}
