/**
 * Listings that end. A store's continuation tokens are opaque, so nothing in one of them says whether it leads anywhere: there are
 * servers that give the same token again, walk in a circle of several, or repeat a page under ever new tokens.
 *
 * What is known of a listing travels in the tokens that callers get, so that a page may be asked for again and listings may run
 * side by side, and it never grows: a circle is found by comparing with one page only, which moves on to the pages 1, 2, 4, 8, …
 * (Brent's algorithm), at the latest after three times as many pages as it takes to go around once.
 * @module
 */
import { cannot } from "../errors.ts";
import type { ListOptions, ListPage, ObjectStore } from "./store.ts";
import { shownUri } from "../text/shown_uri.ts";

/** Pages without objects that may follow each other: stores give some where many objects were deleted. */
const MAX_EMPTY_PAGES = 100;

/** A chain of tokens and the one that each further token is compared with. */
export interface Trail {
  /** Tokens so far. */
  count: number;
  anchor: string;
}

/** The trail of a chain with its next token; null where that token leads around in a circle. */
export function follow(trail: Trail | null, token: string): Trail | null {
  if (trail?.anchor === token) return null;
  const count = (trail?.count ?? 0) + 1;
  return { count, anchor: trail === null || isPowerOfTwo(count) ? token : trail.anchor };
}

function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}

/** What travels in a token. */
interface Progress {
  /** The store's own token. */
  token: string;
  trail: Trail;
  /** First key of the page that later ones are compared with. */
  anchorKey: string | null;
  /** Pages without objects up to here. */
  empty: number;
}

/**
 * A store whose listings end: one that does not is an error `unsupported` that names the listing. Tokens of the store given are
 * not tokens of the one returned.
 */
export function withEndingLists(store: ObjectStore): ObjectStore {
  return {
    root: store.root,
    traits: store.traits,
    get: (key, options) => store.get(key, options),
    head: (key, options) => store.head(key, options),
    list: (prefix, options) => listOnce(store, prefix, options),
    put: (key, source, options) => store.put(key, source, options),
    beginUpload: (key, options) => store.beginUpload(key, options),
    delete: (key, options) => store.delete(key, options),
    close: () => store.close(),
  };
}

async function listOnce(store: ObjectStore, prefix: string, options: ListOptions): Promise<ListPage> {
  const { token, ...others } = options;
  const before = token === undefined ? null : JSON.parse(token) as Progress;
  const page = await store.list(prefix, before === null ? others : { ...others, token: before.token });
  if (page.next === undefined) return page;
  const progress = advanced(before, { ...page, next: page.next });
  if (typeof progress !== "string") return { ...page, next: JSON.stringify(progress) };
  const object = shownUri(`${store.root}/${prefix}`);
  throw cannot("list", object, { unsupported: `the store's listing does not end, ${progress}` });
}

/** The progress of a listing with a further page, or in words why there is none. */
function advanced(before: Progress | null, page: ListPage & { next: string }): Progress | string {
  const { next, objects } = page;
  const number = (before?.trail.count ?? 0) + 1;
  const first = objects[0]?.key;
  if (next === before?.token) return `page ${number} names itself as the next one by its continuation token`;
  const trail = follow(before?.trail ?? null, next);
  if (trail === null) return `page ${number} has the continuation token of an earlier page`;
  if (first !== undefined && first === before?.anchorKey) {
    return `page ${number} begins with the key ${JSON.stringify(first.slice(0, 200))} as an earlier page did`;
  }
  const empty = first === undefined ? (before?.empty ?? 0) + 1 : 0;
  if (empty > MAX_EMPTY_PAGES) return `more than ${MAX_EMPTY_PAGES} pages without objects follow each other`;
  const anchorKey = trail.anchor === next && first !== undefined ? first : before?.anchorKey ?? null;
  return { token: next, trail, anchorKey, empty };
}
