/**
 * What servers say about a refusal, as far as a message may repeat it.
 *
 * Pure but for {@linkcode shortText}, which reads a reply.
 * @module
 */
import { CopilotError } from "../../errors.ts";
import { type ByteReader, readAll } from "../store.ts";

/** Bodies that are no object's bytes are read up to here. */
const MAX_TEXT_BYTES = 64 * 1024;
const MAX_QUOTED_CHARS = 300;

/** A server's words, cut and cleaned, so that they cannot take over a log. */
export function quoted(message: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is removed
  return message.replace(/[\0-\x1f\x7f]+/g, " ").trim().replace(/\.$/, "").slice(0, MAX_QUOTED_CHARS);
}

/**
 * What a body says that is no document of the store's kind: proxies, and servers that were spoken to without TLS, answer in a line of
 * text or with a page that has a title. Empty where there is neither.
 */
export function plainWords(body: string): string {
  const text = body.trim();
  return text.startsWith("<") ? /<title>([^<]*)<\/title>/i.exec(text)?.[1] ?? "" : text;
}

/** Text without secrets. @param secrets empty and absent ones are passed over */
export function redacted(text: string, secrets: readonly (string | undefined)[]): string {
  return secrets.reduce<string>((clean, secret) => secret ? clean.replaceAll(secret, "***") : clean, text);
}

/**
 * A short body as far as it can be had, closed: the status says enough where it cannot.
 *
 * @throws CopilotError `aborted`
 */
export async function shortText(body: ByteReader): Promise<string> {
  try {
    return new TextDecoder().decode(await readAll(body, MAX_TEXT_BYTES, () => new Error("too large")));
  } catch (thrown) {
    if (thrown instanceof CopilotError && thrown.code === "aborted") throw thrown;
    return "";
  }
}

/** Ends a reply whose body says nothing, so that its connection is free. */
export async function discard(
  { length, body }: { length: number | undefined; body: ByteReader },
): Promise<void> {
  if (length !== 0) await shortText(body);
}

/** The members of a JSON object; null for anything else. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : null;
  } catch {
    return null;
  }
}
