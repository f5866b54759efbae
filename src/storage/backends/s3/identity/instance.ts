/**
 * The instance's metadata service, version 2 only: version 1 gives credentials to whatever can make the instance send a GET.
 * @module
 */
import { CopilotError, type Operation } from "../../../../errors.ts";
import type { HttpClient } from "../../../../http/client.ts";
import { isTrue, metadataUrl } from "../endpoints.ts";
import { ask, type Credentials, credentialsOfJson, type IdentityContext, refusal } from "./mod.ts";

const TOKEN_LIFETIME_S = "21600";
const ROLES = "/latest/meta-data/iam/security-credentials/";
/** Tries for a first answer: the service may be slow when an instance starts, and there may be none. */
const TRIES = 3;

/** Credentials of the instance's role. */
export async function instanceCredentials(
  operation: Operation,
  context: IdentityContext,
): Promise<Credentials> {
  const { env, nowMs } = context;
  const denied = (why: string, cause?: unknown) =>
    new CopilotError("denied", { ...operation, detail: why, cause });
  if (isTrue(env.AWS_EC2_METADATA_DISABLED)) throw denied("AWS_EC2_METADATA_DISABLED is set");
  const { url: base, from } = metadataUrl(env);
  const http = context.localClient();
  try {
    const token = await sessionToken(http, { base, from, operation, denied }, context);
    const get = async (path: string): Promise<string> => {
      const headers = [["x-aws-ec2-metadata-token", token]] as const;
      const reply = await ask(http, { method: "GET", url: base + path, from, headers, operation }, context);
      if (reply.status === 200) return reply.text;
      if (reply.status === 404) throw denied("the instance has no role");
      throw refusal(reply, { operation, nowMs: nowMs() }, [token]);
    };
    const role = (await get(ROLES)).split("\n", 1)[0]!.trim();
    return credentialsOfJson(await get(ROLES + encodeURIComponent(role)), operation);
  } finally {
    http.close();
  }
}

/** A session's token, without which nothing is answered. That nobody answers means that there is no such service. */
async function sessionToken(
  http: HttpClient,
  { base, from, operation, denied }: {
    base: string;
    from: string;
    operation: Operation;
    denied(why: string, cause?: unknown): CopilotError;
  },
  context: IdentityContext,
): Promise<string> {
  const request = {
    method: "PUT",
    url: `${base}/latest/api/token`,
    from,
    headers: [["x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFETIME_S]] as const,
    operation,
  };
  for (let left = TRIES;; left--) {
    try {
      const reply = await ask(http, request, context);
      if (reply.status === 200) return reply.text.trim();
      throw refusal(reply, { operation, nowMs: context.nowMs() });
    } catch (thrown) {
      const isSilence = thrown instanceof CopilotError && ["network", "timeout"].includes(thrown.code);
      if (!isSilence) throw thrown;
      if (left === 1) throw denied("no answer", thrown);
    }
  }
}
