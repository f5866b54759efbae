/**
 * How much a document's references hold.
 * @module
 */
import { CopilotError } from "../errors.ts";
import type { Reference, ReferenceSize, ReferenceSizes } from "../flyte/inspect/references.ts";
import type { ObjectStore } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import { trimEnd } from "../text/trim.ts";

/** References that are looked at side by side. */
const SIDE_BY_SIDE = 16;

/**
 * Number and bytes of the objects that references name; null for those that are not there.
 *
 * @throws CopilotError as the stores, but for `not-found`
 */
export async function sizesOf(references: readonly Reference[], stores: Stores): Promise<ReferenceSizes> {
  const sizes = new Map<string, ReferenceSize | null>(references.map(({ uri }) => [uri, null]));
  const waiting = references.values();
  const work = async () => {
    for (const { uri, isPrefix } of waiting) {
      const { store, key } = await stores.at(uri, "a reference of the document");
      const below = isPrefix ? await prefixSize(store, key) : null;
      sizes.set(uri, below ?? await objectSize(store, key));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  return sizes;
}

async function objectSize(store: ObjectStore, key: string): Promise<ReferenceSize | null> {
  const { signal } = new AbortController();
  try {
    const { size } = await store.head(key, { signal });
    return { objects: 1, bytes: size };
  } catch (thrown) {
    if (thrown instanceof CopilotError && thrown.code === "not-found") return null;
    throw thrown;
  }
}

/** Null where nothing is below. */
async function prefixSize(store: ObjectStore, key: string): Promise<ReferenceSize | null> {
  const { signal } = new AbortController();
  const size = { objects: 0, bytes: 0 };
  const prefix = `${trimEnd(key, "/")}/`;
  let token: string | undefined;
  do {
    const page = await store.list(prefix, { signal, ...(token !== undefined && { token }) });
    for (const object of page.objects) {
      size.objects++;
      size.bytes += object.size;
    }
    token = page.next;
  } while (token !== undefined);
  return size.objects === 0 ? null : size;
}
