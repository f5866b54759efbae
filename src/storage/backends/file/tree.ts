/**
 * A directory tree as a sorted stream of keys.
 *
 * - The order is that of an object store: byte-wise over whole keys, so `a.txt` comes before `a/x`.
 * - A directory without entries is a zero-byte key that ends in `/`, so that an empty directory survives a copy.
 * - Held in memory are some names of the directories from the root to the current one, never the tree: of a directory with more,
 *   the next ones are looked for when their turn has come, by reading it again.
 * - A name that is not UTF-8 is refused, since no key can hold it.
 * - A symlink is followed when it stays below the root, and a directory behind one is followed once: a further directory
 *   symlink below it is refused, which rules out cycles and trees that links make exponentially large.
 * - FIFOs, sockets and devices are refused, never opened.
 * @module
 */
import { isInside } from "../../../system/beneath.ts";
import { cannot, CopilotError } from "../../../errors.ts";
import type { FileInfo, Files } from "../../../system/mod.ts";
import { compareKeys, Smallest } from "../../key_order.ts";

/** Names of one directory that are held at once. */
const WINDOW_NAMES = 20_000;

const TEMPORARY = /^\.copilot-[0-9a-f]{16}\.tmp$/;

/** The name of an unfinished file, which no listing shows. @param hex 16 hexadecimal digits */
export function temporaryName(hex: string): string {
  return `.copilot-${hex}.tmp`;
}

/** Whether a name is reserved for unfinished files. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** A file, or an empty directory, whose key ends in `/`. */
export interface TreeEntry {
  key: string;
  info: FileInfo;
}

/** What {@linkcode walkTree} walks. */
export interface WalkOptions {
  /** Only keys that start with this. */
  prefix: string;
  /** Only keys behind this one. */
  after?: string | undefined;
  /** The path of a key that is empty or ends in `/`; ends in `/` itself. */
  pathOf(key: string): string;
  /** Symlinks may not leave this directory. Default: the directory that the prefix begins in. */
  root?: string | undefined;
}

interface Directory {
  /** Empty, or ends in `/`. */
  key: string;
  path: string;
  /** A symlink has been followed on the way here. */
  behindLink: boolean;
  /** As they sort: the name of a directory has a `/` behind it. */
  names: string[];
  next: number;
  /** There are more names behind these, to be read when their turn has come. */
  isCut: boolean;
  /** Nothing is in it, not even names that are not wanted. */
  empty: boolean;
}

/**
 * Yields the files below a prefix in the order of their keys; nothing where there is no such directory.
 *
 * @throws CopilotError `path` for a symlink that leads outside and for what is no file; `denied` for what cannot be read
 */
export function* walkTree(files: Files, options: WalkOptions): Generator<TreeEntry, void> {
  const walk = new Walk(files, options);
  const first = walk.first();
  const stack = first === null ? [] : [first];
  while (stack.length > 0) {
    const directory = stack.at(-1)!;
    if (directory.empty && walk.isWanted(directory.key)) {
      const info = files.stat(directory.path);
      if (info !== null) yield { key: directory.key, info: { ...info, size: 0 } };
    }
    const name = directory.names[directory.next++];
    if (name === undefined) {
      if (directory.isCut) stack[stack.length - 1] = walk.further(directory);
      else stack.pop();
    } else if (name.endsWith("/")) {
      stack.push(walk.enter(directory, name));
    } else {
      const path = directory.path + name;
      const found = files.lstat(path);
      const info = found?.kind === "symlink" ? files.stat(path) : found;
      // A file that has gone since its directory was read is not there.
      if (info !== null) yield { key: directory.key + name, info };
    }
  }
}

class Walk {
  readonly #files: Files;
  readonly #options: WalkOptions;
  #base = "";
  #root: string | undefined;

  constructor(files: Files, options: WalkOptions) {
    this.#files = files;
    this.#options = options;
  }

  first(): Directory | null {
    const { prefix } = this.#options;
    const key = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const path = this.#options.pathOf(key);
    this.#base = path;
    if (this.#files.stat(path)?.kind !== "directory") return null;
    if (this.#options.root !== undefined) this.#assertInside(path);
    return this.#read({ key, path, behindLink: false });
  }

  enter(parent: Directory, name: string): Directory {
    const path = parent.path + name;
    const isLink = this.#files.lstat(path.slice(0, -1))?.kind === "symlink";
    if (isLink && parent.behindLink) {
      throw refusal(
        path.slice(0, -1),
        "it is a symlink to a directory below another one, and only one is followed",
      );
    }
    return this.#read({ key: parent.key + name, path, behindLink: parent.behindLink || isLink });
  }

  /** The same directory with its next names. */
  further(directory: Directory): Directory {
    return this.#read(directory, directory.names.at(-1));
  }

  isWanted(key: string): boolean {
    const { prefix, after } = this.#options;
    return key !== "" && key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0);
  }

  /** Whether keys below a directory's may be wanted. */
  #mayHold(key: string): boolean {
    const { prefix, after } = this.#options;
    return key.startsWith(prefix) &&
      (after === undefined || compareKeys(key, after) > 0 || after.startsWith(key));
  }

  /** @param from only names behind this one */
  #read(
    { key, path, behindLink }: Pick<Directory, "key" | "path" | "behindLink">,
    from?: string,
  ): Directory {
    const smallest = new Smallest(WINDOW_NAMES);
    let empty = true;
    for (const entry of this.#entries(key, path)) {
      empty = false;
      if (isTemporaryName(entry.name) || !(key + entry.name).startsWith(this.#options.prefix)) continue;
      const kind = entry.kind === "symlink" ? this.#kindBehind(path + entry.name) : entry.kind;
      const name = kind === "directory" ? `${entry.name}/` : entry.name;
      const wanted = kind === "directory" ? this.#mayHold(key + name) : this.isWanted(key + name);
      if (!wanted) continue;
      if (kind === "other") {
        throw refusal(path + entry.name, "it is a FIFO, socket or device, expected a regular file");
      }
      if (from === undefined || compareKeys(name, from) > 0) smallest.add(name);
    }
    const { keys, isCut } = smallest.take();
    return { key, path, behindLink, names: keys, next: 0, isCut, empty };
  }

  /** A directory that has gone since its parent was read holds nothing. */
  *#entries(key: string, path: string): Iterable<{ name: string; kind: FileInfo["kind"] }> {
    const onForeign = (shown: string) => {
      if (!(key + shown).startsWith(this.#options.prefix)) return;
      throw refusal(path, `the name "${shown}" in it is not UTF-8, expected one that a key can hold`);
    };
    try {
      yield* this.#files.listDir(path, onForeign);
    } catch (error) {
      if (!(error instanceof CopilotError) || error.code !== "not-found") throw error;
    }
  }

  #kindBehind(path: string): FileInfo["kind"] {
    const found = this.#files.stat(path);
    if (found === null) throw refusal(path, "it is a symlink that leads to nothing");
    this.#assertInside(path);
    return found.kind;
  }

  #assertInside(path: string): void {
    this.#root ??= this.#files.realPath(this.#options.root ?? this.#base);
    if (isInside(this.#files.realPath(path), this.#root)) return;
    throw refusal(path, `it is a symlink that leads outside "${this.#root}"`);
  }
}

function refusal(path: string, why: string): CopilotError {
  return cannot("list", path, { path: why });
}
