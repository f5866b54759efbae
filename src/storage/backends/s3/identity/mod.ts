/**
 * What the platform's ways to credentials share: what they are given, one request, what comes back.
 *
 * The program's own and not the AWS SDK's: those read the process's environment, files and sockets by themselves, which a run
 * may not, pass by its proxies and certificates, and do not survive being bundled. The protocols are a request or three each.
 * @module
 */
import { Secret } from "../../../../config/mod.ts";
import { cannot, CopilotError, type Operation } from "../../../../errors.ts";
import type { Files } from "../../../../system/mod.ts";
import type { HttpClient } from "../../../../http/client.ts";
import { retryAfterMs } from "../../../../http/head.ts";
import { parseHttpUrl } from "../../../../http/origin.ts";
import { smallExchange, type SmallReply } from "../../../cloud/small_exchange.ts";
import { jsonObject, redacted } from "../../../cloud/server_words.ts";
import { parseErrorXml, s3Error } from "../reply.ts";

/** What requests are signed with. A renewal is another object. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: Secret;
  sessionToken?: Secret;
  /** Milliseconds since 1970; absent for credentials that do not run out. */
  expiresAtMs?: number;
}

/** The world as far as it may say who the run is. */
export interface IdentityContext {
  env: Readonly<Record<string, string>>;
  files: Pick<Files, "readFile" | "stat">;
  /** With the run's proxies and certificates. */
  http: HttpClient;
  /** A client for services of this machine: no proxy, little patience. The caller closes it. */
  localClient(): HttpClient;
  nowMs(): number;
  region: string;
  /** URI of the bucket, for messages. */
  object: string;
  signal: AbortSignal;
}

/** A request for credentials or for what leads to them. */
export interface IdentityRequest {
  method: string;
  /** `http://host[:port]/path?query`. */
  url: string;
  /** The setting that the URL came from, for messages. */
  from: string;
  headers: readonly (readonly [string, string])[];
  body?: Uint8Array;
  /** What it is done for: `get credentials for "s3://b/" from …`. */
  operation: Operation;
}

const MAX_FILE_BYTES = 1024 * 1024;

/** Sends a request and reads the answer, whatever its status. */
export async function ask(
  http: HttpClient,
  { method, url, from, headers, body }: IdentityRequest,
  { object, signal }: IdentityContext,
): Promise<SmallReply> {
  const { origin, path } = parseHttpUrl(url, from);
  const sent = { method, origin, path, headers, ...(body !== undefined && { body }), object, signal };
  return await smallExchange(http, sent);
}

/**
 * The error for an answer that is a refusal.
 *
 * @param secrets what the service was sent and its words must not repeat
 */
export function refusal(
  { status, headers, text }: SmallReply,
  { operation, nowMs }: { operation: Operation; nowMs: number },
  secrets: readonly string[] = [],
): CopilotError {
  const { code, message } = text.trimStart().startsWith("{") ? errorOfJson(text) : parseErrorXml(text);
  return s3Error({
    status,
    // Codes of the newer services end in "Exception", and not always.
    code: code.replace(/Exception$/, ""),
    message: redacted(message, secrets),
    retryAfterMs: retryAfterMs(headers.get("retry-after"), nowMs),
  }, operation);
}

function errorOfJson(text: string): { code: string; message: string } {
  const { code, Code, message, Message } = jsonObject(text) ?? {};
  const word = (...values: unknown[]) => values.find((value) => typeof value === "string") as string ?? "";
  return { code: word(code, Code), message: word(message, Message) };
}

/** Credentials out of JSON, as the container's endpoint and the metadata service give them. */
export function credentialsOfJson(text: string, operation: Operation): Credentials {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = jsonObject(text) ?? {};
  return credentialsOf({ AccessKeyId, SecretAccessKey, SessionToken: Token, Expiration }, operation);
}

/**
 * Credentials out of their parts.
 *
 * @throws CopilotError `unavailable` where a part is missing
 */
export function credentialsOf(
  parts: Readonly<Record<string, unknown>>,
  operation: Operation,
): Credentials {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = parts;
  const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
  if (!isText(AccessKeyId) || !isText(SecretAccessKey)) {
    throw new CopilotError("unavailable", {
      ...operation,
      detail: "the reply has no AccessKeyId and SecretAccessKey",
    });
  }
  const expiresAtMs = isText(Expiration) ? Date.parse(Expiration) : NaN;
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: new Secret(SecretAccessKey),
    ...(isText(SessionToken) && { sessionToken: new Secret(SessionToken) }),
    ...(!Number.isNaN(expiresAtMs) && { expiresAtMs }),
  };
}

/** A file's text. @param what the setting that names it, for messages */
export function readText(path: string, what: string, { files }: IdentityContext): string {
  try {
    return new TextDecoder().decode(files.readFile(path, MAX_FILE_BYTES));
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CopilotError("denied", { action: `use ${what}`, detail: why, cause: thrown });
  }
}

/**
 * A token's file: read anew each time, because the platform replaces it, and without the line break at its end, which the
 * services refuse.
 */
export function readToken(path: string, what: string, context: IdentityContext): string {
  const token = readText(path, what, context).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw cannot(`use ${what}`, path, { denied: "it is empty or no token" });
}
