/**
 * Keeps requests for inputs away from addresses that hand out a machine's credentials.
 * @module
 */
import { cannot } from "../../../errors.ts";
import type { Network } from "../../../system/mod.ts";
import { isLinkLocal } from "../../reach.ts";

/** An IPv4 address that an IPv6 one stands for (`::ffff:a9fe:a9fe`), else the text itself. */
function withoutMapping(hostname: string): string {
  const match = /^::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(hostname);
  if (match === null) return hostname.replace(/^::ffff:(?=[0-9]+\.)/i, "");
  return [match[1]!, match[2]!].flatMap((part) => {
    const value = parseInt(part, 16);
    return [value >> 8, value & 255];
  }).join(".");
}

/**
 * Whether a host is a link-local or metadata address.
 *
 * @param hostname canonical, as the URL parser gives it, IPv6 without brackets
 */
export function isForbidden(hostname: string): boolean {
  return isLinkLocal(withoutMapping(hostname.replace(/\.$/, "")));
}

/** A network that connects to no link-local or metadata address, whatever name it is called by. */
export function guardedNetwork(network: Network): Network {
  return {
    ...network,
    async connect(hostname, port, signal) {
      const connection = await network.connect(hostname, port, signal);
      const { remoteAddress } = connection;
      if (remoteAddress === undefined || !isForbidden(remoteAddress)) return connection;
      connection.close();
      throw cannot("connect to", hostname, {
        denied: `it is the link-local or metadata address ${remoteAddress} ` +
          "(--allow-link-local lifts this)",
      });
    },
  };
}
