/**
 * Whether two replies are of one version of an object, so that bytes of both may stand in one file.
 *
 * Only a strong ETag says so: what is equal under a weak one is equal in meaning, not byte for byte (RFC 9110, section 8.8.1), and a
 * size proves nothing. A store that has another proof gives it in the place of the ETag. Without one an object is read by one
 * reply, and again from its start where that breaks.
 * @module
 */
import type { ObjectInfo } from "./store.ts";

/** What pins the version of an object in `ifMatch`; undefined where nothing does. */
export function pinOf({ etag }: ObjectInfo): string | undefined {
  return etag === undefined || etag.startsWith("W/") ? undefined : etag;
}

/**
 * How a further reply relates to the first one: proven to be of the same version; of another for certain, which another size
 * shows; or neither. Another ETag is no certain sign, since there are sites whose servers give one file several.
 */
export type Relation = "same" | "changed" | "unproven";

/** See {@linkcode Relation}. */
export function relation(first: ObjectInfo, further: ObjectInfo): Relation {
  if (first.size !== further.size) return "changed";
  const pin = pinOf(first);
  return pin !== undefined && pin === further.etag ? "same" : "unproven";
}
