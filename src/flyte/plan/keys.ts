/**
 * Keys of stored objects and the paths that they become below a directory.
 * @module
 */
import { cannot, type CopilotError } from "../../errors.ts";
import { nameFault, quoted } from "./names.ts";

/** What an object below a prefix becomes. */
export interface KeyPlace {
  kind: "file" | "directory";
  /** Relative to the prefix's directory, components separated by `/`; empty for that directory itself. */
  path: string;
}

/** The prefix that lists what is below a key: by segment, so that `dir` never takes `dir2/x` or `dir.txt`. */
export function listPrefix(key: string): string {
  return key === "" || key.endsWith("/") ? key : `${key}/`;
}

/**
 * Where an object below a prefix goes.
 *
 * A zero-byte object whose key ends in `/` is a directory: consoles and tools make such markers.
 *
 * @param prefixKey key of the multipart blob, with or without `/` at its end
 * @param object key and size in bytes of one object, as a listing gives them
 * @returns null for an object that is not below the prefix
 * @throws CopilotError `path` for a key with a component that no file may have, or for bytes under a directory's key
 */
export function relativePathOfKey(prefixKey: string, object: { key: string; size: number }): KeyPlace | null {
  const { key, size } = object;
  const prefix = listPrefix(prefixKey);
  if (!key.startsWith(prefix)) return null;
  const rest = key.slice(prefix.length);
  const marker = rest === "" || rest.endsWith("/");
  if (marker && size > 0) {
    throw keyError(key, `it ends in a slash as a directory does but holds ${size} bytes`);
  }
  if (rest === "") return { kind: "directory", path: "" };
  const path = marker ? rest.slice(0, -1) : rest;
  for (const name of path.split("/")) {
    const fault = nameFault(name);
    if (fault !== null) throw keyError(key, `its component ${quoted(name)} ${fault}`);
  }
  return { kind: marker ? "directory" : "file", path };
}

function keyError(key: string, fault: string): CopilotError {
  return cannot(`download ${quotedKey(key)}`, { path: fault });
}

/** A key in quotes; unlike a name it is shown whole, since stores limit keys to about 1,024 bytes. */
function quotedKey(key: string): string {
  return JSON.stringify(key);
}

/**
 * Watches the objects of one listing go by: says which directories are new and refuses a path that would have to be
 * a file and a directory at once (`a` beside `a/b`).
 *
 * A file without bytes is no clash: some tools mark a directory so. It is held back until no key below it can follow, and dropped
 * where one does.
 *
 * A byte-wise ascending listing needs memory for one path only, since all keys that begin with a file's key follow it
 * directly. Any other listing needs memory for all of its paths.
 *
 * @typeParam T what is held for a file without bytes
 */
export class KeyTree<T = never> {
  /** Directories that hold the latest object, outermost first. */
  readonly #open: string[] = [];
  /** Files whose path begins the latest path, shortest first. */
  readonly #shadows: Shadow<T>[] = [];
  readonly #seen: Map<string, "directory" | Shadow<T>> | null;
  #released: T[] = [];

  /** @param options.sorted the listing is byte-wise ascending (`traits.sortedList` of the store) */
  constructor(options: { sorted: boolean }) {
    this.#seen = options.sorted ? null : new Map();
  }

  /**
   * Takes the next object of the listing.
   *
   * @param held for a file without bytes: comes back from {@linkcode released} or {@linkcode rest} unless it is a directory
   * @returns the directories that have to be made before it, parents first, each once in the tree's life
   * @throws CopilotError `path` that names the file and what would be below it
   */
  add(place: KeyPlace, held?: T): string[] {
    if (place.path === "") return [];
    return this.#seen === null ? this.#addSorted(place, held) : this.#addSeen(place, held, this.#seen);
  }

  /** What was held and is known to be a file since the last call. */
  released(): T[] {
    const released = this.#released;
    if (released.length > 0) this.#released = [];
    return released;
  }

  /** What is still held when the listing is over. */
  rest(): T[] {
    const files = this.#seen === null ? this.#shadows : [...this.#seen.values()];
    return [...this.released(), ...files.flatMap((file) => file === "directory" ? [] : heldBy(file))];
  }

  #addSorted({ kind, path }: KeyPlace, held: T | undefined): string[] {
    const text = kind === "directory" ? `${path}/` : path;
    while (this.#open.length > 0 && !text.startsWith(`${this.#open.at(-1)}/`)) this.#open.pop();
    while (this.#shadows.length > 0 && !text.startsWith(this.#shadows.at(-1)!.path)) {
      this.#released.push(...heldBy(this.#shadows.pop()!));
    }
    const made = directoriesOf(text, this.#open.at(-1) ?? "");
    for (const directory of made) {
      const at = this.#shadows.findIndex((file) => file.path === directory);
      if (at >= 0) {
        if (this.#shadows[at]!.held === undefined) throw clash(directory, text);
        this.#shadows.splice(at, 1);
      }
      this.#open.push(directory);
    }
    if (kind === "file") this.#shadows.push({ path, held });
    return made;
  }

  #addSeen(
    { kind, path }: KeyPlace,
    held: T | undefined,
    seen: Map<string, "directory" | Shadow<T>>,
  ): string[] {
    const text = kind === "directory" ? `${path}/` : path;
    const made: string[] = [];
    for (const directory of directoriesOf(text, "")) {
      const known = seen.get(directory);
      if (known !== undefined && known !== "directory" && known.held === undefined) {
        throw clash(directory, text);
      }
      if (known !== "directory") made.push(directory);
      seen.set(directory, "directory");
    }
    if (kind !== "file") return made;
    if (seen.get(path) !== "directory") seen.set(path, { path, held });
    else if (held === undefined) throw clash(path, `${path}/`);
    return made;
  }
}

/** A file that may turn out to be a directory's marker, where something is held for it. */
interface Shadow<T> {
  path: string;
  held: T | undefined;
}

function heldBy<T>({ held }: Shadow<T>): T[] {
  return held === undefined ? [] : [held];
}

/** The directories in a path (what stands before its slashes), outermost first, without those up to `known`. */
function directoriesOf(text: string, known: string): string[] {
  const found: string[] = [];
  for (let at = text.indexOf("/", known.length + 1); at >= 0; at = text.indexOf("/", at + 1)) {
    found.push(text.slice(0, at));
  }
  return found;
}

function clash(file: string, below: string): CopilotError {
  return cannot(`download ${quotedKey(below)}`, {
    path: `there is an object ${quotedKey(file)} too, and a path cannot be both a file and ` +
      "a directory",
  });
}

/**
 * The key behind a percent-encoded one, for stores that were written by programs that encode.
 *
 * Only `%` with two hex digits is decoded; any other `%` stays. The caller tries the key as it is written first.
 *
 * @returns null where there is nothing to decode, or the result would not be valid UTF-8 or would hold a NUL
 */
export function decodedKey(key: string): string | null {
  let broken = false;
  const decoded = key.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      broken = true;
      return run;
    }
  });
  return broken || decoded === key || decoded.includes("\0") ? null : decoded;
}

/**
 * The keys under which an object may be stored that a URI names, in the order of trying: as it is written, decoded, and without what
 * follows a `#` or `?`, where Flyte's dataproxy ends a key but not the name that it gives out for it.
 */
export function spellingsOf(key: string): string[] {
  const bare = /^[^#?]*/.exec(key)![0];
  return [...new Set([key, decodedKey(key) ?? key, bare === "" ? key : decodedKey(bare) ?? bare])];
}
