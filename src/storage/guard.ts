/**
 * Keeps connections for inputs away from addresses that hand out a machine's credentials.
 *
 * The address is that of the connection itself, so that no name can resolve to another one between a look and the call. What goes
 * through a proxy is resolved by the proxy: there only names and addresses as they are written are refused.
 * @module
 */
import { cannot } from "../errors.ts";
import type { Network } from "../system/mod.ts";
import { isLinkLocal } from "./reach.ts";

/** A network whose connections to link-local and metadata addresses are closed before a byte is sent, whatever name was called. */
export function guardedNetwork(network: Network): Network {
  return {
    ...network,
    async connect(hostname, port, signal) {
      if (isLinkLocal(hostname)) throw refusal(hostname, "it is a link-local or metadata address");
      const connection = await network.connect(hostname, port, signal);
      const { remoteAddress } = connection;
      if (remoteAddress === undefined || !isLinkLocal(remoteAddress)) return connection;
      connection.close();
      throw refusal(hostname, `it is the link-local or metadata address ${remoteAddress}`);
    },
  };
}

function refusal(hostname: string, why: string) {
  return cannot("connect to", hostname, { denied: `${why} (--allow-link-local lifts this)` });
}
