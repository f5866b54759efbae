/**
 * A Worker that lists a directory through the main thread, for tests: it answers with what it saw.
 * @module
 */
import { withDirectories } from "../../src/sandbox/directory_client.ts";
import type { DirectoryRequest } from "../../src/sandbox/directory_server.ts";
import { sys } from "../../src/system/deno.ts";

/** What the Worker is to do. */
export interface ListingJob {
  shared: SharedArrayBuffer;
  path: string;
  /** Entries after which it stops; all if it is left out. */
  most?: number;
  /** Lists directories below as it comes to them. */
  isDeep?: boolean;
}

/** What it saw. */
export interface Seen {
  kind: "seen";
  /** `name kind`, by relative path. */
  entries: string[];
  foreign: string[];
  error: string | null;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ListingJob>) => void;
  postMessage(message: DirectoryRequest | Seen): void;
};

scope.onmessage = ({ data: { shared, path, most = Infinity, isDeep = false } }) => {
  const files = withDirectories(sys.files, shared, (request) => scope.postMessage(request));
  const seen: Seen = { kind: "seen", entries: [], foreign: [], error: null };
  const list = (below: string) => {
    for (const { name, kind } of files.listDir(path + below, (shown) => seen.foreign.push(below + shown))) {
      seen.entries.push(`${below}${name} ${kind}`);
      if (seen.entries.length >= most) return;
      if (isDeep && kind === "directory") list(`${below}${name}/`);
    }
  };
  try {
    list("");
  } catch (error) {
    seen.error = (error as Error).message;
  }
  scope.postMessage(seen);
};
