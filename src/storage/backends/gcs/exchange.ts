/**
 * Exchanges with the servers that give tokens: small requests and replies, whose secrets appear in no error.
 * @module
 */
import { codeOfStatus, CopilotError, type ErrorCode, from } from "../../../errors.ts";
import type { Clock } from "../../../system/mod.ts";
import type { HttpClient } from "../../../http/client.ts";
import { type HttpHeaders, retryAfterMs } from "../../../http/head.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import { readAll } from "../../store.ts";
import { quoted } from "./reply.ts";

/** Bytes of a reply that are accepted. */
const MAX_REPLY_BYTES = 1024 * 1024;

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/** What is asked of a server. */
export interface Exchange {
  method: string;
  url: string;
  headers?: readonly (readonly [string, string])[];
  body?: string;
  /** Texts within the request that no error may repeat. */
  secrets?: readonly string[];
}

/** What it answered, with success. */
export interface ExchangeReply {
  status: number;
  headers: HttpHeaders;
  text: string;
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
export async function exchange(exchanger: Exchanger, request: Exchange): Promise<ExchangeReply> {
  const { client, clock, signal } = exchanger;
  const { method, url, headers = [], body, secrets = [] } = request;
  const { origin, path } = parseHttpUrl(url, "a token's URL");
  let reply: ExchangeReply;
  try {
    const response = await client.request({
      method,
      origin,
      path,
      headers,
      ...(body !== undefined && { body: encoder.encode(body) }),
      object: origin.key,
      signal,
    });
    const bytes = await readAll(
      response.body,
      MAX_REPLY_BYTES,
      () => new CopilotError("unavailable", `more than ${MAX_REPLY_BYTES} bytes`),
    );
    reply = { status: response.status, headers: response.headers, text: decoder.decode(bytes) };
  } catch (thrown) {
    const { code, message } = from(thrown, { action: "ask", object: origin.key, fallback: "network" });
    throw new CopilotError(code, `${origin.key} gave no token: ${message}`);
  }
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
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "";
  }
  const { error, error_description: description } = (json ?? {}) as Record<string, unknown>;
  const message = typeof error === "object" && error !== null
    ? (error as Record<string, unknown>).message
    : [error, description].filter((word) => typeof word === "string").join(": ");
  return typeof message === "string" ? message : "";
}

/** A server's words without what the request held, and without anything that looks like a signed token. */
function masked(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) if (secret !== "") shown = shown.replaceAll(secret, "***");
  return quoted(shown.replace(/[\w.-]+/g, (word) => looksSigned(word) ? "***" : word));
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
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  if (typeof json === "object" && json !== null) return json as Record<string, unknown>;
  throw new CopilotError(
    "unavailable",
    `${parseHttpUrl(url, "a token's URL").origin.key} gave no token: not JSON`,
  );
}
