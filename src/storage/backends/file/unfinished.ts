/**
 * A file that has no name yet: written under a temporary one in the same directory, then renamed or removed.
 * @module
 */
import { cannot } from "../../../errors.ts";
import type { OpenFile, System } from "../../../system/mod.ts";
import type { ObjectInfo } from "../../store.ts";
import { infoOf } from "./body.ts";
import type { LocalPaths } from "./local_path.ts";
import { temporaryName } from "./tree.ts";

/** Before the umask. */
const FILE_MODE = 0o666;

/** An object on its way into a directory. */
export class Unfinished {
  readonly file: OpenFile;
  readonly #system: Pick<System, "files">;
  readonly #paths: LocalPaths;
  readonly #key: string;
  readonly #temporary: string;
  /** Directories made for it, deepest first. */
  readonly #made: string[];

  /**
   * Makes the temporary file, and its directory where there is none.
   *
   * @throws CopilotError `path` for a key that cannot be a file there
   */
  constructor(system: Pick<System, "files" | "randomHex">, paths: LocalPaths, key: string) {
    const { files } = system;
    const path = paths.path(key);
    if (files.lstat(path)?.kind === "directory") {
      const object = paths.uri(key);
      throw cannot("store", object, { path: "a directory has that name" });
    }
    this.#system = system;
    this.#paths = paths;
    this.#key = key;
    this.#made = paths.makeParents(path, key);
    this.#temporary = path.slice(0, path.lastIndexOf("/") + 1) + temporaryName(system.randomHex(16));
    try {
      this.file = files.createNew(this.#temporary, FILE_MODE);
    } catch (error) {
      paths.removeMade(this.#made);
      throw error;
    }
  }

  /** Gives the file its name, replacing what had it. After an error {@linkcode discard} cleans up. */
  finish(): ObjectInfo {
    const info = infoOf(this.#key, this.file.stat());
    this.#system.files.rename(this.#temporary, this.#paths.path(this.#key));
    this.file.close();
    return info;
  }

  /** Removes the file and the directories that were made for it. Not after {@linkcode finish}. */
  discard(): void {
    try {
      this.file.close();
      this.#system.files.remove(this.#temporary);
      this.#paths.removeMade(this.#made);
    } catch {
      // The error that led here is the one to report.
    }
  }
}
