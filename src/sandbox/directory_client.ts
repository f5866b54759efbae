/**
 * The Worker's side of reading directories; see directory_server.ts.
 * @module
 */
import { type DirectoryEntry, parseDirents } from "../system/dirents.ts";
import type { Files } from "../system/mod.ts";
import { ANSWERED, COUNT, type DirectoryRequest, HANDLE, partsOf } from "./directory_server.ts";

/**
 * The files of the machine, with directories read by the main thread.
 *
 * @param ask sends a request to the main thread
 */
export function withDirectories(
  files: Files,
  shared: SharedArrayBuffer,
  ask: (request: DirectoryRequest) => void,
): Files {
  const { head, bytes } = partsOf(shared);
  const answer = (request: DirectoryRequest) => {
    Atomics.store(head, ANSWERED, 0);
    ask(request);
    Atomics.wait(head, ANSWERED, 0);
    // Copied, since a directory below this one may be read before the last of these entries is used.
    return { handle: head[HANDLE]!, entries: head[COUNT]! < 0 ? null : bytes.slice(0, head[COUNT]) };
  };
  function* listed(path: string, onForeign: (shown: string) => void): Generator<DirectoryEntry> {
    let { handle, entries } = answer({ kind: "list", path });
    try {
      while (entries !== null) {
        yield* parseDirents(entries, onForeign);
        if (handle < 0) return;
        ({ handle, entries } = answer({ kind: "list-more", handle }));
      }
    } finally {
      if (handle >= 0) answer({ kind: "list-close", handle });
    }
    // Says what is wrong, if it was no more than that the main thread cannot do this.
    yield* files.readDir(path);
  }
  return {
    ...files,
    *listDir(path, onForeign) {
      for (const { name, kind } of listed(path, onForeign)) {
        const found = kind ?? files.lstat(`${path}/${name}`)?.kind;
        // What has gone since is not there.
        if (found !== undefined) yield { name, kind: found };
      }
    },
  };
}
