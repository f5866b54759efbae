/**
 * Files as objects: `file://` URIs and bare paths, and every store URI under `--storage.type=local`.
 *
 * - Scheme `file`: the key is the path. Kind `local`: key `k` of container `c` is the file `<path>/<c>/<k>`.
 * - A file gets its name when it is whole: it is written as `.copilot-<hex>.tmp` in the same directory, then renamed. A
 *   process that is killed leaves that file behind; it is never listed and never mistaken for an object.
 * - An ETag is made of modification time, size and inode. A body ends with a second look, so that a file that changed
 *   while it was read is an error.
 * - A directory is an object only while it is empty, with a key that ends in `/`. Deleting an object leaves its directory.
 * - `a` and `a/b` cannot both be objects.
 * @module
 */
import type { Backend } from "../../backend.ts";
import { filePlace } from "./settings.ts";
import { FileStore } from "./store.ts";

/** The `file` backend. */
export const backend: Backend = {
  // deno-lint-ignore require-await
  async open(uri, settings, context) {
    return new FileStore(context.system, filePlace(uri, settings));
  },
};
