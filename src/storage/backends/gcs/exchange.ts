/**
 * Exchanges with the servers that give tokens: small requests and replies, whose secrets appear in no error.
 * @module
 */
import { codeOfStatus, CopilotError, type ErrorCode, from } from "../../../errors.ts";
import type { Clock } from "../../../system/mod.ts";
import type { HttpClient } from "../../../http/client.ts";
import { retryAfterMs } from "../../../http/head.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import { smallExchange, type SmallReply } from "../../cloud/small_exchange.ts";
import { jsonObject, quoted, redacted } from "../../cloud/server_words.ts";

/** What is asked of a server. */
export interface Exchange {
  method: string;
  url: string;
  headers?: readonly (readonly [string, string])[];
  body?: string;
  /** Texts within the request that no error may repeat. */
  secrets?: readonly string[];
}

/** How servers of tokens are reached. */
export interface Exchanger {
  client: HttpClient;
  clock: Clock;
  /** Fires when the store is closed. */
  signal: AbortSignal;
}

/**
 * Sends a request.
 *
 * @throws CopilotError `denied` where the server refuses the credentials; by the status else, or as the client throws. The
 * message begins with the server's host.
 */
export async function exchange(exchanger: Exchanger, request: Exchange): Promise<SmallReply> {
  const { client, clock, signal } = exchanger;
  const { method, url, headers = [], body, secrets = [] } = request;
  const { origin, path } = parseHttpUrl(url, "a token's URL");
  const sent = {
    method,
    origin,
    path,
    headers,
    ...(body !== undefined && { body: new TextEncoder().encode(body) }),
    object: origin.key,
    signal,
  };
  const reply = await smallExchange(client, sent).catch((thrown) => {
    const { code, message } = from(thrown, { action: "ask", object: origin.key, fallback: "network" });
    throw new CopilotError(code, `${origin.key} gave no token: ${message}`);
  });
  const { status } = reply;
  if (status >= 200 && status < 300) return reply;
  const waitMs = retryAfterMs(reply.headers.get("retry-after"), clock.nowMs());
  const words = masked(wordsOf(reply.text), secrets);
  throw new CopilotError(codeOfRefusal(status), {
    detail: `${origin.key} gave no token: status ${status}${words && ` (${words})`}`,
    status,
    retryAfterMs: waitMs,
  });
}

/** 400 is what token servers say to wrong credentials: `invalid_grant`. */
function codeOfRefusal(status: number): ErrorCode {
  return status === 400 || status === 404 ? "denied" : codeOfStatus(status);
}

/** `error` and `error_description` of OAuth, or the message of a Google API. */
function wordsOf(text: string): string {
  const { error, error_description: description } = jsonObject(text) ?? {};
  const message = typeof error === "object" && error !== null
    ? (error as Record<string, unknown>).message
    : [error, description].filter((word) => typeof word === "string").join(": ");
  return typeof message === "string" ? message : "";
}

/** A server's words without what the request held, and without anything that looks like a signed token. */
function masked(text: string, secrets: readonly string[]): string {
  return quoted(redacted(text, secrets).replace(/[\w.-]+/g, (word) => looksSigned(word) ? "***" : word));
}

/** Whether a word is a JSON Web Token, whole or cut off: `header.payload.signature`. */
function looksSigned(word: string): boolean {
  const parts = word.split(".");
  return parts.some((part, index) =>
    index + 2 < parts.length && part.length >= 10 && parts[index + 1]!.length >= 10
  );
}

/**
 * The fields of a reply's JSON.
 *
 * @throws CopilotError `unavailable` for anything but an object
 */
export function fieldsOf(text: string, url: string): Readonly<Record<string, unknown>> {
  const fields = jsonObject(text);
  if (fields !== null) return fields;
  throw new CopilotError(
    "unavailable",
    `${parseHttpUrl(url, "a token's URL").origin.key} gave no token: not JSON`,
  );
}
