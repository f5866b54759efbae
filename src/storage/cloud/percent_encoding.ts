/**
 * Percent-encoding of keys and query values (RFC 3986), the same for every cloud and for what is signed: everything but unreserved
 * characters, once. Nothing is normalised.
 *
 * Pure.
 * @module
 */
import { cannot } from "../../errors.ts";

const SAFE_PATH = /^[A-Za-z0-9\-._~/]*$/;

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Encodes a query's name or value, or one segment of a path; slashes too. The text is Unicode, see {@linkcode assertUnicode}. */
export function encodeText(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, percent);
}

/**
 * Encodes a key for a path; slashes are kept.
 *
 * @throws CopilotError `input` for a key that is no Unicode text
 */
export function encodePath(key: string): string {
  if (SAFE_PATH.test(key)) return key;
  assertUnicode(key);
  return encodeText(key).replaceAll("%2F", "/");
}

/** Throws CopilotError `input` for a key that is no Unicode text: it would be sent as another one. */
export function assertUnicode(key: string): void {
  if (!key.isWellFormed()) throw cannot("use the key", key, { input: "it has half a surrogate pair" });
}
