/**
 * What a task left in its directory: which file or directory stands for a variable or an element, and what is in it.
 * @module
 */
import { about, CopilotError } from "../../errors.ts";
import { listEntries } from "./list_entries.ts";
import { listed, Refusal, theOnly } from "./refusal.ts";
import { assertName, elementPlace, keyPlace, quoted, subjectOf, variablePlace } from "./names.ts";

/** Bytes of a simple value's file at most, before anything is trimmed. */
const MAX_VALUE_BYTES = 1024;

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
  /**
   * Names in a directory, in any order.
   *
   * @param onForeign called for a name that is not UTF-8 with what messages show of it; without it such a name is an error
   */
  names(path: readonly string[], onForeign?: (shown: string) => void): readonly string[];
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
    let extended: Extended | null = null;
    return (name) => {
      const variable = variablePlace(name);
      const kind = this.#ask(variable, () => this.#tree.kind([name]));
      if (kind !== "missing") return { variable, path: [name], kind };
      extended ??= this.#extended(variable, wanted);
      const foreign = extended.foreign.get(name);
      if (foreign !== undefined) {
        throw new Refusal(
          variable,
          `the name "${foreign[0]}" in the output directory is not UTF-8, expected one that a key can hold`,
        );
      }
      const candidates = extended.names.get(name);
      if (candidates === undefined) return { variable, path: [name], kind };
      return this.#found(variable, [theOnly(candidates, name, variable)]);
    };
  }

  /**
   * The elements of a list: in numeric order `0`, else the only `0.*`; or, where no name is an index, in natural order.
   *
   * @returns each with the segment that its object's key gets: the index, or its name
   * @throws Refusal for a file, a missing index, names of both kinds, or several names that stand for one index
   */
  elements(list: Found): { element: Found; segment: string }[] {
    const names = listEntries(this.#names(list, "list"), list.variable);
    return names.map(({ name, segment }, index) => {
      const element = this.#found(elementPlace(list.variable, index), [...list.path, name]);
      return { element, segment };
    });
  }

  /**
   * What is said of a variable that nothing stands for: where it was looked for, and what is there instead. A name that differs in
   * capitals or in its dashes is suggested.
   */
  missing({ variable, path }: Found): Refusal {
    const name = path.at(-1)!;
    const foreign: string[] = [];
    const names = this.#ask(variable, () => this.#namesOfRoot((shown) => foreign.push(shown)))
      .concat(foreign).filter((other) => !other.startsWith("."));
    const near = names.find((other) => alike(stemOf(other)) === alike(name) || alike(other) === alike(name));
    const there = names.length === 0 ? "which is empty" : `which holds ${listed([...names].sort())}`;
    return new Refusal(
      variable,
      `there is no file or directory ${quoted(name)} or ${quoted(`${name}.*`)} in the output directory, ` +
        `${there}${near === undefined ? "" : `, did you mean ${quoted(near)}`}`,
    );
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

  #namesOfRoot(onForeign: (shown: string) => void): readonly string[] {
    return this.#tree.kind([]) === "directory" ? this.#tree.names([], onForeign) : [];
  }

  #extended(variable: string, wanted: ReadonlySet<string>): Extended {
    const foreign: string[] = [];
    const names = this.#ask(variable, () => this.#namesOfRoot((shown) => foreign.push(shown)));
    return { names: byStem(names, wanted), foreign: byStem(foreign, wanted) };
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

/** Names with an extension by what stands before it: those that can be read, and those that are not UTF-8. */
interface Extended {
  names: Map<string, string[]>;
  foreign: Map<string, string[]>;
}

function stemOf(name: string): string {
  return /^[^.]*/.exec(name)![0];
}

/** A name as somebody may have meant another. */
function alike(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, "");
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
