/**
 * Credentials of IAM Identity Center (SSO) by the AWS SDK's own provider: the only module that knows it, loaded when a profile asks
 * for it and not before. It reads the token that `aws sso login` has left in ~/.aws/sso/cache, renews it where it can, and exchanges
 * it for a role's credentials.
 *
 * The provider decides what is sent; how it is sent is this program's: its proxies, certificates and bounds, and no attempt but the
 * first, since the one retry layer is above.
 * @module
 */
import { fromSSO } from "../../../../packages/aws_sso.ts";
import { Secret } from "../../../../config/mod.ts";
import { CopilotError, type Operation } from "../../../../errors.ts";
import { makeOrigin } from "../../../../http/origin.ts";
import { encodeText } from "../../../cloud/percent_encoding.ts";
import { smallExchange } from "../../../cloud/small_exchange.ts";
import { sharedFiles } from "../endpoints.ts";
import type { Credentials, IdentityContext } from "./mod.ts";

/** A request as the SDK makes it. */
interface SdkRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

/**
 * Credentials of a profile with `sso_session` or `sso_start_url`.
 *
 * @throws CopilotError `denied` where there is no session, where it has run out or the role is not given; as the client throws
 */
export async function ssoCredentials(
  profile: string,
  operation: Operation,
  context: IdentityContext,
): Promise<Credentials> {
  const { config, credentials } = sharedFiles(context.env);
  const failures: unknown[] = [];
  const endpoint = context.env.AWS_ENDPOINT_URL_SSO;
  const provider = fromSSO({
    profile,
    configFilepath: config,
    filepath: credentials,
    ignoreCache: true,
    clientConfig: {
      // The SDK's types ask for its own class, of which it calls `handle` only.
      requestHandler: handlerOf(context, failures) as never,
      maxAttempts: 1,
      // The SDK would ask the system for its name and version, which a run may not.
      defaultUserAgentProvider: () => Promise.resolve([["copilot"]]),
      ...(endpoint && { endpoint }),
    },
  });
  try {
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await provider();
    return {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      ...(sessionToken !== undefined && { sessionToken: new Secret(sessionToken) }),
      ...(expiration !== undefined && { expiresAtMs: expiration.getTime() }),
    };
  } catch (thrown) {
    // What the connection said is more than what the SDK makes of it.
    const failure = failures.at(-1);
    if (failure instanceof CopilotError) throw failure.within(operation);
    throw new CopilotError("denied", { ...operation, detail: (thrown as Error).message, cause: thrown });
  }
}

/** What the SDK uses of an HTTP client. @param failures gets what connections throw */
function handlerOf(context: IdentityContext, failures: unknown[]) {
  return {
    async handle(request: SdkRequest) {
      const secure = request.protocol === "https:";
      const body = typeof request.body === "string" ? new TextEncoder().encode(request.body) : request.body;
      try {
        const { status, headers, text } = await smallExchange(context.http, {
          method: request.method,
          origin: makeOrigin(secure, request.hostname, request.port ?? (secure ? 443 : 80)),
          path: request.path + queryOf(request),
          headers: Object.entries(request.headers).filter(([name]) => !/^(host|content-length)$/i.test(name)),
          ...(body !== undefined && { body }),
          object: context.object,
          signal: context.signal,
        });
        const type = headers.get("content-type") ?? "application/json";
        return {
          response: {
            statusCode: status,
            headers: { "content-type": type },
            body: new Blob([text]).stream(),
          },
        };
      } catch (thrown) {
        failures.push(thrown);
        throw thrown;
      }
    },
  };
}

function queryOf({ query = {} }: SdkRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ""].flat().map((one) => `${encodeText(name)}=${encodeText(one)}`)
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}
