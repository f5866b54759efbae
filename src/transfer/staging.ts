/**
 * Files on their way into a directory: written under a temporary name, checked, then renamed into place.
 *
 * The temporary names live in one directory inside the run's own, so they are on the same file system, nobody who reads
 * the data sees them, and a rerun removes what a killed run left with one directory.
 *
 * Who works beside the run (main, in a stream) may swap a directory for a symlink at any moment. So each one is looked at again
 * before something is made, renamed or removed in it, and what is removed has a name that only this run can have given.
 * @module
 */
import { cannot } from "../errors.ts";
import type { Files, OpenFile, System } from "../system/mod.ts";
import { trimEnd } from "../text/trim.ts";

/** Name of the directory for unfinished files, inside the run's directory. No variable may have it. */
export const STAGING_NAME = ".copilot-tmp";

/** Directories remembered as checked; beyond that the oldest are checked again. */
const REMEMBERED_DIRECTORIES = 4096;

/** An unfinished file. */
export interface StagedFile {
  file: OpenFile;
  /** Renames the file to its final, absolute name below the root, replacing what is there. Closes it. */
  commit(path: string): void;
  /** Closes and removes it. Nothing happens after a commit. */
  discard(): void;
}

/** The writing side of one directory. */
export class Staging {
  readonly #files: Files;
  readonly #root: string;
  readonly #staging: string;
  /** What this run's names begin with: nobody else's file has such a name, wherever a symlink leads. */
  readonly #tag: string;
  readonly #known = new Set<string>();
  /** Temporary files that are there. */
  readonly #unfinished = new Set<string>();
  #made = false;
  #count = 0;

  /** @param root absolute path of the directory that everything is written below; it exists */
  constructor({ files, randomHex }: Pick<System, "files" | "randomHex">, root: string) {
    this.#files = files;
    this.#root = trimEnd(root, "/");
    this.#staging = `${this.#root}/${STAGING_NAME}`;
    this.#tag = randomHex(16);
  }

  /** Removes what an earlier run left unfinished, and whatever an earlier main put beside it. */
  clear(): void {
    this.#files.removeTree(this.#staging);
  }

  /**
   * Removes what this run has left unfinished, by its own names, and their directory. What somebody else has put there stays, and is
   * an error.
   */
  cleanUp(): void {
    for (const temporary of [...this.#unfinished]) this.#remove(temporary);
    if (this.#made) this.#files.remove(this.#staging);
    this.#known.delete(this.#staging);
    this.#made = false;
  }

  #remove(temporary: string): void {
    this.#assertPlace(this.#staging);
    this.#files.remove(temporary);
    this.#unfinished.delete(temporary);
  }

  /**
   * Makes a directory and those above it, below the root.
   *
   * @throws CopilotError `path` where a component is not a directory: a symlink there could lead outside
   */
  ensureDirectory(path: string): void {
    if (path === this.#root || this.#known.has(path)) return;
    if (!path.startsWith(`${this.#root}/`)) {
      throw cannot("write", path, { path: `it is outside "${this.#root}"` });
    }
    const parent = path.slice(0, path.lastIndexOf("/"));
    this.ensureDirectory(parent);
    const found = this.#files.lstat(path);
    if (found === null) {
      // Looked at again, however often it was: it may have been swapped since.
      this.#assertPlace(parent);
      this.#files.mkdir(path);
    } else if (found.kind !== "directory") {
      throw cannot("make the directory", path, { path: `a ${found.kind} has that name` });
    }
    if (this.#known.size >= REMEMBERED_DIRECTORIES) this.#known.delete(this.#known.values().next().value!);
    this.#known.add(path);
  }

  /**
   * Directories that were made may have been swapped for symlinks since, by whoever works beside this run. The root itself is the
   * caller's word, and nobody below it can swap it.
   */
  #assertPlace(directory: string): void {
    for (let end = this.#root.length; end < directory.length;) {
      const slash = directory.indexOf("/", end + 1);
      end = slash < 0 ? directory.length : slash;
      const path = directory.slice(0, end);
      const kind = this.#files.lstat(path)?.kind ?? "gone";
      if (kind === "directory") continue;
      throw cannot("write in", directory, {
        path: kind === "gone"
          ? `"${path}" is gone`
          : `"${path}" is a ${kind}, and leads outside "${this.#root || "/"}"`,
      });
    }
  }

  /** Opens a new unfinished file. @param mode permission bits before the umask */
  create(mode: number): StagedFile {
    if (!this.#made) {
      this.ensureDirectory(this.#staging);
      this.#made = true;
    }
    const temporary = `${this.#staging}/${this.#tag}-${this.#count++}`;
    const files = this.#files;
    this.#assertPlace(this.#staging);
    const file = files.createNew(temporary, mode);
    this.#unfinished.add(temporary);
    let open = true;
    const close = () => {
      if (open) file.close();
      open = false;
    };
    return {
      file,
      commit: (path) => {
        close();
        const directory = path.slice(0, path.lastIndexOf("/"));
        this.ensureDirectory(directory);
        this.#assertPlace(directory);
        files.rename(temporary, path);
        this.#unfinished.delete(temporary);
      },
      discard: () => {
        close();
        if (this.#unfinished.has(temporary)) this.#remove(temporary);
      },
    };
  }

  /** Writes a whole small file. @param content writes it, in parts @param mode permission bits before the umask */
  write(path: string, content: (write: (bytes: Uint8Array) => void) => void, mode: number): void {
    const staged = this.create(mode);
    try {
      content((bytes) => staged.file.write(bytes));
      staged.commit(path);
    } finally {
      staged.discard();
    }
  }
}
