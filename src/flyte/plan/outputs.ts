/**
 * What a task left in its directory: which file or directory stands for a variable or an element, and what is in it.
 * @module
 */
import { about, CopilotError } from "../../errors.ts";
import { assertName, elementPlace, keyPlace, quoted, subjectOf, variablePlace } from "./names.ts";

/** Bytes of a simple value's file at most, before anything is trimmed. */
const MAX_VALUE_BYTES = 1024;

/** File names, values and the like that a message lists. */
const SHOWN_ITEMS = 8;

/** What a path in the tree is. */
export type EntryKind = "file" | "directory" | "missing";

/**
 * The task's directory. Paths are lists of names below it; the empty list is the directory itself.
 *
 * What symlinks mean and that nothing but files and directories is opened is this side's business: any method may throw a
 * CopilotError, which ends the planning and gets the variable's name in front.
 */
export interface OutputTree {
  kind(path: readonly string[]): EntryKind;
  /** Names in a directory, in any order. */
  names(path: readonly string[]): readonly string[];
  /** Bytes of a file. */
  size(path: readonly string[]): number;
  /** A whole file; an error when it has more than `maxBytes`. */
  bytes(path: readonly string[], maxBytes: number): Uint8Array;
}

/** What was found for a variable, an element or a key. */
export interface Found {
  /** Where in the outputs, for messages: `files[2].x`. */
  readonly variable: string;
  /** Names below the task's directory; of something missing: where it was looked for. */
  readonly path: readonly string[];
  readonly kind: EntryKind;
}

/** Why a type does not take what is there. A union goes on to its next variant; nothing else catches it. */
export class Refusal extends CopilotError {
  constructor(readonly variable: string, fault: string, code: "output" | "unsupported" = "output") {
    super(code, { subject: subjectOf("upload", variable), detail: fault });
  }
}

/** Looks things up in a tree; whatever goes wrong names the variable. */
export class OutputLookup {
  readonly #tree: OutputTree;

  constructor(tree: OutputTree) {
    this.#tree = tree;
  }

  /**
   * A function that finds an output variable in the task's directory: its exact name, else the only `name.*`. The directory
   * is read once, and only when a variable has an extension.
   *
   * @param wanted names of all variables that will be looked for
   * @returns takes a variable's name; throws a Refusal where several names stand for it
   */
  finder(wanted: ReadonlySet<string>): (name: string) => Found {
    let extended: Map<string, string[]> | null = null;
    return (name) => {
      const variable = variablePlace(name);
      const kind = this.#ask(variable, () => this.#tree.kind([name]));
      if (kind !== "missing") return { variable, path: [name], kind };
      extended ??= byStem(this.#ask(variable, () => this.#namesOfRoot()), wanted);
      const candidates = extended.get(name);
      if (candidates === undefined) return { variable, path: [name], kind };
      return this.#found(variable, [theOnly(candidates, name, variable)]);
    };
  }

  /**
   * The elements of a list, in numeric order: `0`, else the only `0.*`.
   *
   * @throws Refusal for a file, a missing index, a name that is no index, or several names that stand for one
   */
  elements(list: Found): Found[] {
    const entries = sortedByIndex(this.#names(list, "list"), list.variable);
    return entries.map(({ exact, extended }, index) => {
      const variable = elementPlace(list.variable, index);
      return this.#found(variable, [...list.path, exact ?? theOnly(extended, String(index), variable)]);
    });
  }

  /**
   * The values of a map by their keys, sorted. The whole file name is the key.
   *
   * @throws Refusal for a file
   */
  entries(map: Found): [key: string, value: Found][] {
    return [...this.#names(map, "map")].sort().map((key) => {
      const variable = keyPlace(map.variable, key);
      assertName(key, variable);
      return [key, this.#found(variable, [...map.path, key])];
    });
  }

  /**
   * The bytes of a simple value's file.
   *
   * @param wanted the type, for messages
   * @throws Refusal for a directory or a file of more than 1,024 bytes
   */
  valueBytes({ variable, path, kind }: Found, wanted: string): Uint8Array {
    const file = quoted(path.join("/"));
    if (kind === "directory") {
      throw new Refusal(variable, `expected a file for type ${wanted}, found a directory at ${file}`);
    }
    const size = this.#ask(variable, () => this.#tree.size(path));
    if (size <= MAX_VALUE_BYTES) return this.#ask(variable, () => this.#tree.bytes(path, MAX_VALUE_BYTES));
    throw new Refusal(
      variable,
      `maximum allowed filesize is [${MAX_VALUE_BYTES}], but found [${size}] at ${file} for type ${wanted}`,
    );
  }

  #found(variable: string, path: readonly string[]): Found {
    return { variable, path, kind: this.#ask(variable, () => this.#tree.kind(path)) };
  }

  #names({ variable, path, kind }: Found, wanted: string): readonly string[] {
    if (kind === "directory") return this.#ask(variable, () => this.#tree.names(path));
    const file = quoted(path.join("/"));
    throw new Refusal(variable, `expected a directory for a ${wanted}, found a file at ${file}`);
  }

  #namesOfRoot(): readonly string[] {
    return this.#tree.kind([]) === "directory" ? this.#tree.names([]) : [];
  }

  /** Asks the tree, and puts the variable's name before what it throws. */
  #ask<T>(variable: string, question: () => T): T {
    try {
      return question();
    } catch (thrown) {
      throw thrown instanceof CopilotError ? about(thrown, subjectOf("upload", variable)) : thrown;
    }
  }
}

/** The one of several names that stand for another. */
function theOnly(candidates: readonly string[], name: string, variable: string): string {
  if (candidates.length === 1) return candidates[0]!;
  throw new Refusal(variable, `${listed(candidates)} all stand for ${quoted(name)}, wanted one of them`);
}

/** Names with an extension by what stands before it, for the stems that are wanted. `a.b.c` stands for `a` and for `a.b`. */
function byStem(names: readonly string[], wanted: ReadonlySet<string>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of names) {
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
      const stem = name.slice(0, dot);
      if (!wanted.has(stem)) continue;
      const others = found.get(stem);
      if (others === undefined) found.set(stem, [name]);
      else others.push(name);
    }
  }
  return found;
}

/** What a list's directory has for one index. */
interface IndexEntry {
  exact: string | null;
  extended: string[];
}

/**
 * The entries of a list's directory in numeric order.
 *
 * Hidden files are passed over, since file systems and tools leave such behind; any other name that is no index is refused, so that
 * nothing the task wrote is lost in silence.
 */
function sortedByIndex(names: readonly string[], variable: string): IndexEntry[] {
  const found = new Map<number, IndexEntry>();
  for (const name of names) {
    const match = /^(0|[1-9]\d{0,14})(\..*)?$/s.exec(name);
    if (match === null) {
      if (name.startsWith(".")) continue;
      throw new Refusal(
        variable,
        `its directory has ${quoted(name)}, wanted entries named 0, 1, 2 and so on for a list`,
      );
    }
    const index = Number(match[1]);
    let entry = found.get(index);
    if (entry === undefined) found.set(index, entry = { exact: null, extended: [] });
    if (match[2] === undefined) entry.exact = name;
    else entry.extended.push(name);
  }
  const entries: IndexEntry[] = [];
  for (let index = 0; index < found.size; index++) {
    const entry = found.get(index);
    if (entry === undefined) {
      throw new Refusal(
        variable,
        `its directory has ${found.size} entries of a list but none for index ${index}`,
      );
    }
    entries.push(entry);
  }
  return entries;
}

/** Names in quotes, at most a handful. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_ITEMS).map(quoted).join(", ");
  return names.length > SHOWN_ITEMS ? `${shown} and ${names.length - SHOWN_ITEMS} more` : shown;
}
