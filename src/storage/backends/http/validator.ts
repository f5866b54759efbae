/**
 * What a web server gives to tell one version of an object from another (RFC 9110, section 8.8).
 *
 * A strong ETag does. A date of modification does only where it lies well before the reply's own date: within one second an
 * object may change twice, and the two clocks may differ (section 8.8.2.2). A weak ETag alone does not.
 * @module
 */
import type { HttpHeaders } from "../../../http/head.ts";

/** Milliseconds between modification and reply from which on the modification's date is taken for a strong validator. */
const SETTLED_MS = 60_000;
const MODIFIED = "Last-Modified ";

/** The strong validator of a reply, in the form that `ifMatch` takes; undefined where it has none. */
export function validatorOf(headers: HttpHeaders): string | undefined {
  const etag = headers.get("etag");
  if (etag !== undefined && !etag.startsWith("W/")) return etag;
  const modified = headers.get("last-modified");
  const ageMs = Date.parse(headers.get("date") ?? "") - Date.parse(modified ?? "");
  return ageMs >= SETTLED_MS ? `${MODIFIED}${modified}` : undefined;
}

/** The header that makes a request conditional on a validator. */
export function conditionOf(validator: string): [string, string] {
  return validator.startsWith(MODIFIED)
    ? ["If-Unmodified-Since", validator.slice(MODIFIED.length)]
    : ["If-Match", validator];
}
