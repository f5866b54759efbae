/**
 * Keys as paths, and the paths that are refused.
 *
 * A key names a file below the container's directory (`--storage.type=local`), or it is itself the path (`file://`). In a
 * container two keys never name one file: empty, `.` and `..` components are refused. A path of `file://` is the user's own
 * spelling, so only `..` is refused.
 * @module
 */
import { CopilotError } from "../../../errors.ts";
import type { Files } from "../../../system/mod.ts";
import { isInside } from "../../../system/beneath.ts";
import { isTemporaryName } from "./tree.ts";

/** What the file systems of Linux hold in one name. */
const MAX_NAME_BYTES = 255;

/** A container of files. */
export class LocalPaths {
  readonly #files: Files;
  /** URI of the container without a trailing slash; `file:/` where keys are paths. */
  readonly root: string;
  /** The container's directory without a trailing slash; null where keys are paths. */
  readonly directory: string | null;

  constructor(files: Files, options: { root: string; directory: string | null }) {
    this.#files = files;
    this.root = options.root;
    this.directory = options.directory;
  }

  uri(key: string): string {
    return this.directory === null && !key.startsWith("/") ? key : `${this.root}/${key}`;
  }

  /**
   * The path of an object, or of a directory where the key ends in `/`.
   *
   * @throws CopilotError `path` for a key that no file can have
   */
  path(key: string): string {
    if (key === "") throw this.#refusal(key, "it is empty");
    this.#check(key, key.replace(/\/$/, ""));
    return this.directory === null ? key : `${this.directory}/${key}`;
  }

  /** The path of the directory that keys with this prefix are in, with a `/` at its end. @param key empty, or ends in `/` */
  directoryPath(key: string): string {
    if (key !== "") return this.path(key);
    return this.directory === null ? "./" : `${this.directory}/`;
  }

  #check(key: string, names: string): void {
    if (key.includes("\0")) throw this.#refusal(key, "it has a NUL byte, which no file name can hold");
    for (const name of names.split("/")) {
      if (name === "..") throw this.#refusal(key, 'it has a ".." component');
      if (this.directory !== null && (name === "" || name === ".")) {
        throw this.#refusal(key, 'it has an empty or a "." component, which no file name can be');
      }
      if (name.length * 3 > MAX_NAME_BYTES && new TextEncoder().encode(name).length > MAX_NAME_BYTES) {
        throw this.#refusal(
          key,
          `it has a component of more than ${MAX_NAME_BYTES} bytes, which no file name can have`,
        );
      }
      if (isTemporaryName(name)) {
        throw this.#refusal(key, `the name "${name}" is reserved for unfinished files`);
      }
    }
  }

  #refusal(key: string, why: string): CopilotError {
    const object = this.uri(key);
    return new CopilotError("path", { action: "use", object, via: "as a file", detail: why });
  }

  /**
   * Looks where a path really is.
   *
   * @param path exists
   * @throws CopilotError `path` where a symlink leads out of the container's directory
   */
  assertInside(path: string, key: string): void {
    if (this.directory === null) return;
    const directory = this.#files.realPath(this.directory);
    if (isInside(this.#files.realPath(path), directory)) return;
    throw this.#refusal(key, `a symlink leads outside "${directory}"`);
  }

  /** As {@linkcode assertInside}, for a path that may be a symlink itself. */
  assertParentInside(path: string, key: string): void {
    this.assertInside(parentOf(path), key);
  }

  /**
   * Makes the directory of a path and those above it.
   *
   * @returns the directories that were not there before, deepest first
   * @throws CopilotError `path` where a file has the name of a directory
   */
  makeParents(path: string, key: string): string[] {
    const missing: string[] = [];
    let existing = parentOf(path);
    for (; existing !== "."; existing = parentOf(existing)) {
      const kind = this.#kindOf(existing);
      if (kind === "directory") break;
      if (kind !== null) throw this.#refusal(key, `"${existing}" is a file, so nothing can be below it`);
      missing.push(existing);
    }
    // The container's own directory may be missing too; above it nothing is the container's.
    if (this.directory !== null && isInside(existing, this.directory)) this.assertInside(existing, key);
    if (missing.length > 0) this.#files.mkdir(missing[0]!);
    return missing;
  }

  /** What cannot be looked at lies above what the run may touch, so it is taken for a directory. */
  #kindOf(path: string): "directory" | "other" | null {
    try {
      const found = this.#files.stat(path);
      return found === null ? null : found.kind === "directory" ? "directory" : "other";
    } catch (error) {
      if (error instanceof CopilotError && error.code === "denied") return "directory";
      throw error;
    }
  }

  /** Removes directories that are empty. @param made what {@linkcode makeParents} gave */
  removeMade(made: readonly string[]): void {
    for (const directory of made) {
      try {
        this.#files.remove(directory);
      } catch {
        return; // Another writer has put something there.
      }
    }
  }
}

/** The directory of a path, without a trailing slash but for the root's. */
function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}
