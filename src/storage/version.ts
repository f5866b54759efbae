/**
 * Whether two replies are of one version of an object, so that bytes of both may stand in one file.
 *
 * Only a strong ETag says so: what is equal under a weak one is equal in meaning, not byte for byte (RFC 9110, section 8.8.1), and a
 * size proves nothing. A store that has another proof gives it in the place of the ETag. Without one an object is read by one
 * reply, and again from its start where that breaks.
 * @module
 */
import { CopilotError } from "../errors.ts";
import type { GetOptions, GetResult, ObjectInfo } from "./store.ts";

/** What pins the version of an object in `ifMatch`; undefined where nothing does. */
export function pinOf({ etag }: ObjectInfo): string | undefined {
  return etag === undefined || etag.startsWith("W/") ? undefined : etag;
}

/** How a further reply relates to the first one: proven to be of the same version, of another for certain, or neither. */
export type Relation = "same" | "changed" | "unproven";

/**
 * See {@linkcode Relation}. Another size or strong ETag is another version, unless both replies say the same date of modification:
 * there are sites whose servers give one file several ETags.
 */
export function relation(first: ObjectInfo, further: ObjectInfo): Relation {
  if (first.size !== further.size) return "changed";
  const [before, now] = [pinOf(first), pinOf(further)];
  if (before === undefined || now === undefined) return "unproven";
  if (before === now) return "same";
  return first.modified !== undefined && first.modified === further.modified ? "unproven" : "changed";
}

/** Replies that are asked for at most before one ETag counts as the object's. With two servers behind a name one in 128 misleads. */
const MAX_LOOKS = 8;

/**
 * Whether an object whose replies bear different ETags has changed: from now on all of them bear another one. Where one bears the first
 * reply's again, or two differ, its ETags are those of several servers, or mean nothing.
 *
 * @param head looks at the object
 */
export async function hasChanged(head: () => Promise<ObjectInfo>, first: ObjectInfo): Promise<boolean> {
  let other: string | undefined;
  for (let look = 0; look < MAX_LOOKS; look++) {
    const { etag } = await head();
    if (etag === first.etag || (other !== undefined && etag !== other)) return false;
    other = etag;
  }
  return true;
}

/** A range, and the version that it must be of. */
export type PinnedRange = Pick<GetOptions, "start" | "end" | "ifMatch">;

/**
 * Asks for a range of the version that a first reply had. A store that refuses the condition is asked without: there are servers that
 * refuse every one, and what they send tells its version itself. The caller looks at the {@linkcode relation}.
 */
export async function getPinned(
  get: (range: PinnedRange) => Promise<GetResult>,
  first: ObjectInfo,
  range: Omit<PinnedRange, "ifMatch">,
): Promise<GetResult> {
  const pin = pinOf(first);
  try {
    return await get(pin === undefined ? range : { ...range, ifMatch: pin });
  } catch (thrown) {
    if (pin === undefined || !(thrown instanceof CopilotError) || thrown.code !== "changed") throw thrown;
    return await get(range);
  }
}

/** What is said of an object that is another version now. */
export function changeOf(first: ObjectInfo, further: ObjectInfo): string {
  const [before, now] = first.size === further.size
    ? [`the ETag ${first.etag}`, further.etag]
    : [`${first.size} bytes`, further.size];
  return `it changed while it was read: it had ${before} and has ${now} now`;
}
