/**
 * Clause 15: listings that do not end. Which store it is makes no difference to the layer that notices; that its keys, tokens and
 * pages pass through that layer unharmed does.
 * @module
 */
import assert from "assert";
import { withEndingLists } from "../../../src/storage/listing.ts";
import type { ListPage, ObjectStore } from "../../../src/storage/store.ts";
import { type Bench, pattern, type Step } from "./harness.ts";

const NAMES = ["circle/a", "circle/b", "circle/c"];

/** The store with a listing that walks in a circle of so many pages. */
function circling(store: ObjectStore, length: number): ObjectStore {
  return {
    root: store.root,
    traits: store.traits,
    get: (key, options) => store.get(key, options),
    head: (key, options) => store.head(key, options),
    async list(prefix, { signal, token }): Promise<ListPage> {
      const { objects } = await store.list(prefix, { signal });
      const at = Number(token ?? 0);
      return { objects: [objects[at % objects.length]!], next: String((at + 1) % length) };
    },
    put: (key, source, options) => store.put(key, source, options),
    beginUpload: (key, options) => store.beginUpload(key, options),
    delete: (key, options) => store.delete(key, options),
    close: () => {},
  };
}

async function drain(bench: Bench, store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < 100; pages++) {
    const page = await store.list(bench.key("circle/"), {
      signal: bench.signal,
      ...(token !== undefined && { token }),
    });
    keys.push(...page.objects.map(({ key }) => key.slice(bench.under.prefix.length)));
    if (page.next === undefined) return keys;
    token = page.next;
  }
  assert.fail("the listing does not end");
}

async function endless(bench: Bench): Promise<void> {
  for (const name of NAMES) await bench.put(name, pattern(1));
  assert.deepEqual((await drain(bench, withEndingLists(bench.store))).sort(), NAMES);
  for (const length of [1, 2, 3]) {
    const store = withEndingLists(circling(bench.store, length));
    await bench.fails("unsupported", "circle/", drain(bench, store));
  }
}

/** The steps of this clause. */
export const STEPS: Step[] = [{ clause: "15: a listing that does not end is an error", run: endless }];
