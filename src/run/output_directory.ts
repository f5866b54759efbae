/**
 * The directory that a task left behind, as the upload sees it: nothing outside it, nothing but files and directories.
 * @module
 */
import { cannot } from "../errors.ts";
import type { OutputTree } from "../flyte/plan/outputs.ts";
import { openWithin, readWithin } from "../system/beneath.ts";
import type { LocalFile } from "../transfer/put.ts";
import type { FileInfo, Files } from "../system/mod.ts";

/** A file below a directory. */
export interface FoundFile {
  /** Relative to the directory that was walked, with `/` between segments. */
  relative: string;
  /** Absolute, for reading. */
  path: string;
}

/**
 * Looks at files below a root. Symlinks that stay inside are followed once; those that leave it, lead back to a directory
 * above themselves, or to a directory once more, and FIFOs, sockets and devices are errors (docs/documents.md, "Outputs from disk").
 */
export class OutputDirectory implements OutputTree {
  readonly #files: Files;
  readonly #root: string;
  readonly #realRoot: string;

  /** @param root absolute path of an existing directory */
  constructor(files: Files, root: string) {
    this.#files = files;
    this.#root = root;
    this.#realRoot = files.realPath(root);
  }

  /** The absolute path of a relative one. */
  path(segments: readonly string[]): string {
    return [this.#root, ...segments].join("/");
  }

  /** A file below the root, to be opened later: whatever has its name by then must still be below the root. */
  file(path: string): LocalFile {
    return { path, open: () => openWithin(this.#files, path, this.#realRoot) };
  }

  kind(segments: readonly string[]): "file" | "directory" | "missing" {
    const found = this.#look(this.path(segments));
    if (found === null) return "missing";
    return found.kind === "directory" ? "directory" : "file";
  }

  names(segments: readonly string[], onForeign?: (shown: string) => void): string[] {
    const path = this.path(segments);
    return Array.from(this.#files.listDir(path, onForeign ?? refuseForeign(path)), ({ name }) => name);
  }

  size(segments: readonly string[]): number {
    return this.#look(this.path(segments))?.size ?? 0;
  }

  bytes(segments: readonly string[], maxBytes: number): Uint8Array {
    return readWithin(this.#files, this.path(segments), { realRoot: this.#realRoot, maxBytes });
  }

  /** Every file below a directory, one at a time, without holding more than one listing for each level. */
  *walk(directory: string): Generator<FoundFile> {
    yield* this.#walk(directory, "", { behindLink: false });
  }

  *#walk(directory: string, relative: string, way: { behindLink: boolean }): Generator<FoundFile> {
    for (const { name, kind } of this.#files.listDir(directory, refuseForeign(directory))) {
      const path = `${directory}/${name}`;
      const inside = relative === "" ? name : `${relative}/${name}`;
      const found = kind === "file" ? kind : this.#look(path)?.kind;
      if (found === undefined) {
        throw cannot("upload", path, { changed: "it is gone" });
      }
      const isLink = kind === "symlink";
      if (found === "file") yield { relative: inside, path };
      else {
        if (isLink) this.#assertFollowed(path, directory, way);
        yield* this.#walk(path, inside, { behindLink: way.behindLink || isLink });
      }
    }
  }

  /** Refuses symlinks to directories that make a loop, or that a few of which could make a tree of any size. */
  #assertFollowed(path: string, directory: string, { behindLink }: { behindLink: boolean }): void {
    const isAbove = `${this.#files.realPath(directory)}/`.startsWith(`${this.#files.realPath(path)}/`);
    if (!isAbove && !behindLink) return;
    const fault = isAbove
      ? "the symlink leads back to a directory above it"
      : "it is a symlink to a directory below another one, and only one is followed";
    throw cannot("upload", path, { path: fault });
  }

  /** What is there, behind symlinks that stay inside. */
  #look(path: string): FileInfo | null {
    const found = this.#files.lstat(path);
    if (found === null || found.kind === "file" || found.kind === "directory") return found;
    if (found.kind === "other") {
      throw cannot("upload", path, { path: "it is a FIFO, socket or device, expected a file or directory" });
    }
    const target = this.#files.stat(path) === null ? null : this.#files.realPath(path);
    if (target === null || !(target === this.#realRoot || target.startsWith(`${this.#realRoot}/`))) {
      throw cannot("upload", path, {
        path: `the symlink ${target === null ? "leads nowhere" : `leads outside "${this.#root}"`}`,
      });
    }
    return this.#look(target);
  }
}

/** Refuses a name that no key can have: without its file the directory would not be whole. */
function refuseForeign(directory: string): (shown: string) => never {
  return (shown) => {
    throw cannot("upload", directory, {
      path: `the name "${shown}" in it is not UTF-8, expected one that a key can hold`,
    });
  };
}
