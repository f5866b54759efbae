/**
 * The container's credential endpoint: EKS Pod Identity's agent (169.254.170.23) and ECS (169.254.170.2).
 * @module
 */
import { cannot, CopilotError, type Operation } from "../../../../errors.ts";
import { parseHttpUrl } from "../../../../http/origin.ts";
import { containerUrl } from "../endpoints.ts";
import { ask, type Credentials, credentialsOfJson, type IdentityContext, readToken, refusal } from "./mod.ts";

/** Whom a token may be sent to without TLS. */
const LOCAL = /^(localhost|127\.[0-9.]+|::1|169\.254\.170\.(2|23)|fd00:ec2::23)$/;

/** Credentials of the container. */
export async function containerCredentials(
  operation: Operation,
  context: IdentityContext,
): Promise<Credentials> {
  const { env } = context;
  const endpoint = containerUrl(env);
  if (endpoint === null) {
    throw new CopilotError("config", {
      ...operation,
      detail: "AWS_CONTAINER_CREDENTIALS_FULL_URI is not set",
    });
  }
  const { url, from } = endpoint;
  const { origin } = parseHttpUrl(url, from);
  if (!origin.secure && !LOCAL.test(origin.hostname)) {
    throw cannot(`use ${from}`, origin.key, {
      config: "expected https://, or an address of this machine or of the container agent",
    });
  }
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file
    ? readToken(file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", context)
    : env.AWS_CONTAINER_AUTHORIZATION_TOKEN?.trim();
  const http = context.localClient();
  try {
    const headers = token ? [["authorization", token] as const] : [];
    const reply = await ask(http, { method: "GET", url, from, headers, operation }, context);
    if (reply.status === 200) return credentialsOfJson(reply.text, operation);
    throw refusal(reply, { operation, nowMs: context.nowMs() }, token ? [token] : []);
  } finally {
    http.close();
  }
}
