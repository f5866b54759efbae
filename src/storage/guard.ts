/**
 * Keeps connections for inputs away from addresses that hand out a machine's credentials.
 *
 * The address is that of the connection itself, so that no name can resolve to another one between a look and the call. What goes
 * through a proxy is resolved by the proxy: there only names and addresses as they are written are refused.
 * @module
 */
import { cannot } from "../errors.ts";
import type { Network } from "../system/mod.ts";
import { credentialEndpointAt, credentialEndpoints } from "./cloud/credential_endpoints.ts";
import { isLinkLocal } from "./link_local.ts";

/** What is refused. */
export interface GuardOptions {
  /** The environment, whose givers of credentials are refused. */
  env: Readonly<Record<string, string>>;
  /** Link-local and metadata addresses may be reached. */
  allowsLinkLocal: boolean;
}

/**
 * Throws CopilotError `denied` for an address that no input may name: link-local, metadata, or one from which this run gets its own
 * credentials.
 *
 * @param host a name or an address, and the port behind it
 * @param called what was asked for, where the address is what that has resolved to
 */
export function assertAllowed(
  { hostname, port }: { hostname: string; port: number },
  { env, allowsLinkLocal }: GuardOptions,
  called = hostname,
): void {
  const address = called === hostname ? "a" : `the address ${hostname}, a`;
  if (!allowsLinkLocal && isLinkLocal(hostname)) {
    throw cannot("connect to", called, {
      denied: `it is ${address} link-local or metadata address (--allow-link-local lifts this)`,
    });
  }
  const endpoint = credentialEndpointAt(credentialEndpoints(env), hostname, port);
  if (endpoint === undefined) return;
  throw cannot("connect to", `${called}:${port}`, {
    denied: `it gives this run its own credentials (${endpoint.from}), so no input may name it`,
  });
}

/** A network whose connections to refused addresses are closed before a byte is sent, whatever name was called. */
export function guardedNetwork(network: Network, options: GuardOptions): Network {
  return {
    ...network,
    async connect(hostname, port, signal) {
      assertAllowed({ hostname, port }, options);
      const connection = await network.connect(hostname, port, signal);
      const { remoteAddress } = connection;
      try {
        if (remoteAddress !== undefined) assertAllowed({ hostname: remoteAddress, port }, options, hostname);
        return connection;
      } catch (thrown) {
        connection.close();
        throw thrown;
      }
    },
  };
}
