/**
 * What there is instead of an object that is not there: a name that is almost right shows where it goes wrong.
 * @module
 */
import { CopilotError } from "../errors.ts";
import { listPrefix } from "../flyte/plan/keys.ts";
import { quoted } from "../flyte/plan/names.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { ObjectLocation } from "../storage/stores.ts";
import { formatUri } from "../storage/uri.ts";
import { deadlineIn } from "../system/deadline.ts";
import type { Clock } from "../system/mod.ts";

/** Listings that are asked for: the directories above the key, innermost first. */
const MAX_LISTINGS = 4;
/** Milliseconds for all of them: the failure is certain, and this is only how to word it. */
const LOOK_MS = 3000;
/** Names that are shown. */
const SHOWN = 6;

/**
 * A `not-found` error with the nearest prefix that exists and what is in it, where the store can tell that at once; any other error,
 * and one of a store that cannot, as it is.
 */
export async function withNearest(
  thrown: unknown,
  location: ObjectLocation,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<unknown> {
  // A web server lists nothing, and Redis looks at all of its keys.
  if (!(thrown instanceof CopilotError) || thrown.code !== "not-found") return thrown;
  if (/^(https?|rediss?)$/.test(location.uri.scheme)) return thrown;
  const deadline = deadlineIn(clock, LOOK_MS, { what: "Look for the nearest prefix", parent: signal });
  try {
    const nearest = await nearestPrefix(location, deadline.signal);
    if (nearest === null) return thrown;
    const { fault } = thrown;
    return new CopilotError(thrown.code, { ...fault, detail: `${fault.detail}; ${nearest}` });
  } catch {
    return thrown;
  } finally {
    deadline.clear();
  }
}

async function nearestPrefix(
  { store, key, uri }: ObjectLocation,
  signal: AbortSignal,
): Promise<string | null> {
  const parts = key.split("/").filter((part) => part !== "");
  for (let tries = 1; tries <= Math.min(MAX_LISTINGS, parts.length); tries++) {
    const prefix = listPrefix((key.startsWith("/") ? "/" : "") + parts.slice(0, -tries).join("/"));
    const { objects } = await store.list(prefix, { signal });
    if (objects.length === 0) continue;
    const names = new Set(objects.map((object) => /^[^/]*\/?/.exec(object.key.slice(prefix.length))![0]));
    names.delete("");
    const shown = [...names].slice(0, SHOWN).map(quoted).join(", ");
    const more = names.size > SHOWN ? " and more" : "";
    const at = shownUri(formatUri({ ...uri, key: prefix }));
    return `the nearest prefix that exists is "${at}"${shown === "" ? "" : `, which holds ${shown}${more}`}`;
  }
  return null;
}
