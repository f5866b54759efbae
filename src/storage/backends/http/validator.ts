/**
 * What a web server gives to tell one version of an object from another (RFC 9110, section 8.8).
 *
 * A strong ETag does, and a date of modification where it is settled. A weak ETag alone does not.
 * @module
 */
import { type HttpHeaders, settledModified } from "../../../http/head.ts";

const MODIFIED = "Last-Modified ";

/** The strong validator of a reply, in the form that `ifMatch` takes; undefined where it has none. */
export function validatorOf(headers: HttpHeaders): string | undefined {
  const etag = headers.get("etag");
  if (etag !== undefined && !etag.startsWith("W/")) return etag;
  const modified = settledModified(headers);
  return modified === undefined ? undefined : `${MODIFIED}${modified}`;
}

/** The header that makes a request conditional on a validator. */
export function conditionOf(validator: string): [string, string] {
  return validator.startsWith(MODIFIED)
    ? ["If-Unmodified-Since", validator.slice(MODIFIED.length)]
    : ["If-Match", validator];
}
