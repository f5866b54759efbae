/**
 * Which key a URI of the inputs means: a name may stand in it in several spellings, and a prefix may be an object.
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";
import { listPrefix, spellingsOf } from "../flyte/plan/keys.ts";
import { nameFault } from "../flyte/plan/names.ts";
import type { ListPage, ObjectInfo, ObjectStore } from "../storage/store.ts";
import type { ObjectLocation } from "../storage/stores.ts";
import { trimEnd } from "../text/trim.ts";

/** The keys to try, in order (tests/conformance/README.md, rule 7). A web server takes a key as it is. */
export function keysOf({ uri, key }: ObjectLocation): string[] {
  return uri.scheme === "http" || uri.scheme === "https" ? [key] : spellingsOf(key);
}

/** Whether an error says that there is no such object. */
export function isMissing(thrown: unknown): boolean {
  return thrown instanceof CopilotError && thrown.code === "not-found";
}

/** The result for the first spelling of a key that exists. @throws CopilotError `not-found` of the key as it is written */
export async function firstSpelling<T>(
  location: ObjectLocation,
  attempt: (key: string) => Promise<T>,
): Promise<{ key: string; result: T }> {
  let missing: unknown;
  for (const key of keysOf(location)) {
    try {
      return { key, result: await attempt(key) };
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
      missing ??= thrown;
    }
  }
  throw missing;
}

/** The first page of the first spelling of a prefix that something lies below; null where nothing does. */
export async function firstPage(
  location: ObjectLocation,
  signal: AbortSignal,
): Promise<{ key: string; prefix: string; page: ListPage } | null> {
  for (const key of keysOf(location)) {
    const prefix = listPrefix(key);
    const page = await location.store.list(prefix, { signal });
    if (page.objects.length > 0 || page.next !== undefined) return { key, prefix, page };
  }
  return null;
}

/**
 * The object that a prefix is which nothing lies below; null where it is none. Datasets of one file are named so, by copilot's own
 * uploads too. One without bytes is a directory's marker.
 *
 * @returns its name in the directory besides
 */
export async function loneObject(
  location: ObjectLocation,
  signal: AbortSignal,
): Promise<{ key: string; name: string; info: ObjectInfo } | null> {
  for (const spelling of keysOf(location)) {
    const key = trimEnd(spelling, "/");
    const info = key === "" ? null : await loneInfo(location.store, key, signal);
    if (info !== null) return { key, name: baseName(key), info };
  }
  return null;
}

/** What is known of an object: where the question is denied it may be listed all the same, and reading it says the rest. */
async function loneInfo(store: ObjectStore, key: string, signal: AbortSignal): Promise<ObjectInfo | null> {
  try {
    return await store.head(key, { signal });
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    if (!isDenied(thrown)) throw thrown;
  }
  try {
    const { objects } = await store.list(key, { signal });
    return objects.find((object) => object.key === key) ?? null;
  } catch (thrown) {
    if (isDenied(thrown)) return null;
    throw thrown;
  }
}

/** What is known of an object; null where it is not to be seen: who may list below a prefix need not have a right to its own key. */
export async function infoOrNull(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<ObjectInfo | null> {
  try {
    return await store.head(key, { signal });
  } catch (thrown) {
    if (isMissing(thrown) || isDenied(thrown)) return null;
    throw thrown;
  }
}

function isDenied(thrown: unknown): boolean {
  return thrown instanceof CopilotError && thrown.code === "denied";
}

function baseName(key: string): string {
  const name = key.slice(key.lastIndexOf("/") + 1);
  const fault = nameFault(name);
  if (fault !== null) throw cannot("download", key, { path: `its last component ${fault}` });
  return name;
}
