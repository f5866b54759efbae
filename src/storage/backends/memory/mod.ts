/**
 * Objects in memory, for `--storage.type=mem` and for tests. They live as long as the run.
 *
 * The containers of one run share a `System`, so a container opened twice has the same objects.
 * @module
 */
import type { System } from "../../../system/mod.ts";
import type { Backend } from "../../backend.ts";
import { MemoryStore } from "./store.ts";

/** Containers by the run that they belong to. */
const containers = new WeakMap<System, Map<string, MemoryStore>>();

/** The `mem` backend. */
export const backend: Backend = {
  // deno-lint-ignore require-await
  async open(uri, _settings, context) {
    let ofRun = containers.get(context.system);
    if (ofRun === undefined) containers.set(context.system, ofRun = new Map());
    const root = `${uri.scheme}://${uri.container}`;
    let store = ofRun.get(root);
    if (store === undefined) ofRun.set(root, store = new MemoryStore(root));
    return store;
  },
};
