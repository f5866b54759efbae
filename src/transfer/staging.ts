/**
 * Files on their way into a directory: written under a temporary name, checked, then renamed into place.
 *
 * The temporary names live in one directory inside the run's own, so they are on the same file system, nobody who reads
 * the data sees them, and a rerun removes what a killed run left by emptying one directory.
 * @module
 */
import { cannot } from "../errors.ts";
import type { Files, OpenFile } from "../system/mod.ts";
import { assertWithin } from "../system/beneath.ts";
import { trimEnd } from "../trim.ts";

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

/** Removes a directory with the files in it, or whatever else has its name; a symlink is not followed. */
export function emptyDirectory(files: Files, path: string): void {
  const found = files.lstat(path);
  if (found === null) return;
  if (found.kind === "directory") {
    for (const { name } of [...files.readDir(path)]) files.remove(`${path}/${name}`);
  }
  files.remove(path);
}

/** The writing side of one directory. */
export class Staging {
  readonly #files: Files;
  readonly #root: string;
  readonly #staging: string;
  /** Canonical path of the root, once something is written. */
  #realRoot: string | undefined;
  readonly #known = new Set<string>();
  #made = false;
  #count = 0;

  /** @param root absolute path of the directory that everything is written below; it exists */
  constructor(files: Files, root: string) {
    this.#files = files;
    this.#root = trimEnd(root, "/");
    this.#staging = `${this.#root}/${STAGING_NAME}`;
  }

  /** Removes what an earlier, killed run left unfinished. */
  cleanUp(): void {
    emptyDirectory(this.#files, this.#staging);
    this.#known.delete(this.#staging);
    this.#made = false;
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
    this.ensureDirectory(path.slice(0, path.lastIndexOf("/")));
    const found = this.#files.lstat(path);
    if (found === null) this.#files.mkdir(path);
    else if (found.kind !== "directory") {
      throw cannot("make the directory", path, { path: `a ${found.kind} has that name` });
    }
    if (this.#known.size >= REMEMBERED_DIRECTORIES) this.#known.delete(this.#known.values().next().value!);
    this.#known.add(path);
  }

  /** Directories that were made may have been swapped for symlinks since, by whoever works beside this run. */
  #assertPlace(directory: string): void {
    this.#realRoot ??= this.#files.realPath(this.#root || "/");
    assertWithin(this.#files, directory || "/", this.#realRoot);
  }

  /** Opens a new unfinished file. @param mode permission bits before the umask */
  create(mode: number): StagedFile {
    if (!this.#made) {
      this.ensureDirectory(this.#staging);
      this.#made = true;
    }
    const temporary = `${this.#staging}/${this.#count++}`;
    const files = this.#files;
    this.#assertPlace(this.#staging);
    const file = files.createNew(temporary, mode);
    let open = true;
    const close = () => {
      if (open) file.close();
      open = false;
    };
    let there = true;
    return {
      file,
      commit: (path) => {
        close();
        const directory = path.slice(0, path.lastIndexOf("/"));
        this.ensureDirectory(directory);
        this.#assertPlace(directory);
        files.rename(temporary, path);
        there = false;
      },
      discard: () => {
        close();
        if (there) files.remove(temporary);
        there = false;
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
