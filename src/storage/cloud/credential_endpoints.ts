/**
 * The services of this machine that this run's environment names as givers of credentials: no input may be read from them.
 *
 * Pure.
 * @module
 */
import { parseHttpUrl } from "../../http/origin.ts";

/** Variables with a URL or a `host[:port]`, and the scheme of those without one. */
const VARIABLES = [
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT",
  "GCE_METADATA_HOST",
  "IDENTITY_ENDPOINT",
] as const;

/** ECS's agent, where the environment names only a path. */
const ECS_HOST = "169.254.170.2";

/** A service. */
export interface CredentialEndpoint {
  /** Lower case, IPv6 without brackets; `localhost` for every address of this machine. */
  hostname: string;
  port: number;
  /** The variable that names it, for messages. */
  from: string;
}

/** The services that the environment names. What is no address is left out: its own store says what is wrong with it. */
export function credentialEndpoints(env: Readonly<Record<string, string>>): CredentialEndpoint[] {
  const named = VARIABLES.flatMap((from) => {
    const text = env[from];
    if (!text) return [];
    try {
      const { origin } = parseHttpUrl(text.includes("://") ? text : `http://${text}`, from);
      return [{ hostname: canonical(origin.hostname), port: origin.port, from }];
    } catch {
      return [];
    }
  });
  const relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  return env[relative] ? [...named, { hostname: ECS_HOST, port: 80, from: relative }] : named;
}

/**
 * The endpoint that an address belongs to; undefined for any other.
 *
 * @param hostname a name or the address that it has resolved to, IPv6 with or without brackets
 */
export function credentialEndpointAt(
  endpoints: readonly CredentialEndpoint[],
  hostname: string,
  port: number,
): CredentialEndpoint | undefined {
  const host = canonical(hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase());
  return endpoints.find((endpoint) => endpoint.hostname === host && endpoint.port === port);
}

/** This machine has many addresses, and a service on one of them listens on others as often as not. */
function canonical(hostname: string): string {
  return /^(?:localhost|127\.[0-9.]+|::1|0\.0\.0\.0|::|::ffff:(?:127\.[0-9.]+|7f[0-9a-f]{2}:[0-9a-f]{1,4}))$/
      .test(hostname)
    ? "localhost"
    : hostname;
}
