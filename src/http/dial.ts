/**
 * Opens connections: directly, through a proxy, with TLS.
 * @module
 */
import { cannot, codeOfStatus, CopilotError, from } from "../errors.ts";
import type { Connection, Network } from "../system/mod.ts";
import { Channel } from "./channel.ts";
import { formatHead } from "./head.ts";
import type { Origin } from "./origin.ts";
import type { Proxy } from "./proxy.ts";

/** Options of {@linkcode dial}. */
export interface DialOptions {
  proxy: Proxy | null;
  /** PEM certificates trusted besides the system's. */
  caCerts: string[];
  signal: AbortSignal;
}

/**
 * Opens a connection on which requests for `origin` can be sent.
 *
 * @throws CopilotError `network` for a server that cannot be reached, `config` for a certificate that is not trusted or a
 * proxy that cannot be used, `denied` for a proxy that wants other credentials
 */
export async function dial(network: Network, origin: Origin, options: DialOptions): Promise<Connection> {
  const { proxy, caCerts, signal } = options;
  const first = proxy?.origin ?? origin;
  if (proxy?.origin.secure && origin.secure) {
    throw cannot(`use the proxy "${proxy.origin.key}" for "${origin.key}"`, {
      config: "TLS inside TLS is not supported, expected an http:// proxy",
    });
  }
  let connection = await network.connect(first.hostname, first.port, signal);
  try {
    if (proxy !== null && origin.secure) await openTunnel(connection, origin, proxy, signal);
    if (first.secure || origin.secure) {
      const hostname = origin.secure ? origin.hostname : first.hostname;
      connection = await network.startTls(connection, hostname, { caCerts, signal });
    }
    return connection;
  } catch (thrown) {
    connection.close();
    throw tlsError(thrown, origin);
  }
}

/** Has the proxy connect to the origin (CONNECT, RFC 9110, section 9.3.6). */
async function openTunnel(
  connection: Connection,
  origin: Origin,
  proxy: Proxy,
  signal: AbortSignal,
): Promise<void> {
  const target = `${origin.hostname.includes(":") ? `[${origin.hostname}]` : origin.hostname}:${origin.port}`;
  const channel = new Channel(connection, { headTicks: 0, stallTicks: 0 });
  channel.begin(origin.key, signal);
  try {
    const head = formatHead({
      method: "CONNECT",
      target,
      host: target,
      headers: proxy.authorization === undefined ? [] : [["Proxy-Authorization", proxy.authorization]],
      length: undefined,
    });
    await channel.write(new TextEncoder().encode(head));
    const { status } = await channel.readHead();
    if (status < 200 || status > 299) {
      const code = status === 407 ? "denied" : codeOfStatus(status);
      const hint = status === 407 ? "; check the user and password in HTTPS_PROXY" : "";
      throw new CopilotError(code, {
        action: "reach",
        object: origin.key,
        detail: `the proxy "${proxy.origin.key}" answered CONNECT with status ${status}${hint}`,
        status,
      });
    }
    if (channel.start < channel.end) throw channel.broken("the proxy sent bytes before the server could");
  } finally {
    channel.finish();
  }
}

/** What the TLS library says of bytes that are no record of TLS. */
const NO_TLS = /corrupt message|InvalidContentType/i;

/** A certificate that is not trusted stays so, and a port that speaks no TLS: no retry, and the message says what to change. */
function tlsError(thrown: unknown, origin: Origin): CopilotError {
  const error = from(thrown, { action: "connect to", object: origin.key, fallback: "network" });
  const { detail } = error.fault;
  if (NO_TLS.test(detail)) {
    const hint =
      "this port speaks no TLS, most likely plain HTTP: expected an address with http:// or redis://, or disable_ssl=true";
    return new CopilotError("config", { ...error.fault, detail: `${hint} (${detail})` });
  }
  if (!/certificate/i.test(error.message)) return error;
  const hint =
    "if the server's authority is private, name its certificates in SSL_CERT_FILE or AWS_CA_BUNDLE";
  return new CopilotError("config", { ...error.fault, detail: `${detail}; ${hint}` });
}
