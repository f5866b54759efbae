/**
 * From a LiteralMap and a layout to a list of actions: make this directory, write these bytes, fetch this object, fetch
 * this prefix; and to the same message with local paths in place of URIs.
 *
 * Invariants of a plan:
 * - Every path is absolute, below the root, and occurs once.
 * - The directory of a path is the root or an earlier directory action's path.
 * - Actions of one input variable follow each other, in the message's order.
 * - Actions are not kept: each iteration makes them anew, since a message may hold a hundred thousand values.
 * @module
 */
import type { DownloadMode, FileLayout } from "../modes.ts";
import { type CopilotError, from } from "../../errors.ts";
import { elementNames, isMultipart } from "./element_names.ts";
import {
  assertName,
  assertPathLength,
  assertUri,
  basenameOfUri,
  elementPlace,
  keyPlace,
  quoted,
  variableError,
  variablePlace,
} from "./names.ts";
import { writeScalar } from "../text/text.ts";
import type { ByteSink } from "../text/text_bytes.ts";
import type { Literal, LiteralMap, Scalar } from "../types.ts";
import { trimEnd } from "../../text/trim.ts";

/** Permission bits, before the umask, of a file with a simple value: the original makes these executable. */
const VALUE_MODE = 0o777;

/** Permission bits, before the umask, of a file with a Struct. */
const STRUCT_MODE = 0o666;

/**
 * Literals inside each other at most. The decoder limits one message; offloaded literals put messages into each other,
 * and no deeper path than about 2,000 components could be made anyway.
 */
const MAX_DEPTH = 500;

/** What every action says. */
interface ActionBase {
  /** Name of the input variable that it belongs to. */
  readonly input: string;
  /** Where in that variable, for messages: `files[2].x`. */
  readonly variable: string;
  /** Absolute path of what is made. */
  readonly path: string;
}

/** Make a directory; its parent is there. */
export interface DirectoryAction extends ActionBase {
  readonly kind: "directory";
}

/** Write a small file. */
export interface WriteAction extends ActionBase {
  readonly kind: "write";
  /** Permission bits before the umask. */
  readonly mode: number;
  /**
   * Writes the file's content.
   *
   * @throws CopilotError `input` that names the variable, for a value that has no text
   */
  content(write: ByteSink): void;
}

/** Fetch one object into a file. */
export interface ObjectAction extends ActionBase {
  readonly kind: "object";
  readonly uri: string;
}

/** Fetch everything below a URI into a directory, which this action makes, also when nothing is there. */
export interface PrefixAction extends ActionBase {
  readonly kind: "prefix";
  readonly uri: string;
}

/** One step of a download. */
export type Action = DirectoryAction | WriteAction | ObjectAction | PrefixAction;

/** What {@linkcode planDownload} needs to know besides the message. */
export interface DownloadOptions {
  /** Absolute path of the directory that everything goes to; it is there, no action makes it. */
  root: string;
  layout: FileLayout;
  /** EAGER and STREAM have the same plan. */
  mode: DownloadMode;
  /** Names directly below the root that no variable may have: the documents, the run's temporary names. */
  reserved: readonly string[];
}

/** What is to be done and what the documents will say. */
export interface DownloadPlan {
  /** Made anew at each iteration. */
  actions: Iterable<Action>;
  /** How many there are. */
  count: number;
  /** URIs of those that fetch something. */
  uris: string[];
  /** The input with local paths in place of URIs. Literals without URIs are shared with the input. */
  local: LiteralMap;
}

/**
 * Plans the download of a message. Offloaded literals have been resolved before.
 *
 * With DO_NOT_DOWNLOAD there are no object and prefix actions, and URIs stay.
 *
 * @param map not changed
 * @throws CopilotError `path` for a name that could leave the root or cannot be a file's; `input` for a reserved name, a
 *   literal without value or of a kind that this program does not know, an empty URI, too deep nesting. Each names the variable
 */
export function planDownload(map: LiteralMap, options: DownloadOptions): DownloadPlan {
  const plan: Omit<DownloadPlan, "local"> = {
    actions: { [Symbol.iterator]: () => walk(map, options) },
    count: 0,
    uris: [],
  };
  // Gone through once here, so that what cannot be done is told before anything is.
  const walking = walk(map, options);
  let step = walking.next();
  for (; !step.done; step = walking.next()) {
    plan.count++;
    if ("uri" in step.value) plan.uris.push(step.value.uri);
  }
  return { ...plan, local: { ...map, literals: step.value } };
}

/** Yields the actions of a message, and returns its literals in their local form. */
function* walk(map: LiteralMap, options: DownloadOptions): Walk<ReadonlyMap<string, Literal>> {
  const root = trimEnd(options.root, "/");
  let changed: Map<string, Literal> | null = null;
  for (const [name, literal] of map.literals) {
    const variable = variablePlace(name);
    assertName(name, variable);
    if (options.reserved.includes(name)) {
      throw inputError(variable, `the name ${quoted(name)} is kept for a file of the run itself`);
    }
    const planner = new Planner(name, options);
    const spot: Spot = { variable, path: `${root}/${name}`, ownDirectory: planner.named, depth: 1 };
    const local = yield* planner.literal(literal, spot);
    if (local !== literal) (changed ??= new Map(map.literals)).set(name, local);
  }
  return changed ?? map.literals;
}

type Walk<Result> = Generator<Action, Result, void>;

/** Where a literal goes. */
interface Spot {
  readonly variable: string;
  readonly path: string;
  /** A single blob here gets a directory of its own and keeps its name in it. */
  readonly ownDirectory: boolean;
  readonly depth: number;
}

/** Walks one input variable. Every method gives the local form of its literal: the same object where nothing changed. */
class Planner {
  /** Single blobs keep their names. */
  readonly named: boolean;
  readonly #input: string;
  readonly #fetch: boolean;

  constructor(input: string, options: DownloadOptions) {
    this.#input = input;
    this.#fetch = options.mode !== "DO_NOT_DOWNLOAD";
    this.named = this.#fetch && options.layout === "NAMED_DIR";
  }

  *literal(literal: Literal, spot: Spot): Walk<Literal> {
    const { variable, depth } = spot;
    if (depth > MAX_DEPTH) {
      throw inputError(variablePlace(this.#input), `it is nested deeper than ${MAX_DEPTH} levels`);
    }
    const value = literal.value;
    switch (value?.case) {
      case "scalar": {
        const scalar = yield* this.#scalar(value.value, spot);
        return scalar === value.value ? literal : { ...literal, value: { case: "scalar", value: scalar } };
      }
      case "collection": {
        const literals = yield* this.#elements(value.value.literals, spot);
        if (literals === value.value.literals) return literal;
        return { ...literal, value: { case: "collection", value: { ...value.value, literals } } };
      }
      case "map": {
        const literals = yield* this.#entries(value.value.literals, spot);
        if (literals === value.value.literals) return literal;
        return { ...literal, value: { case: "map", value: { ...value.value, literals } } };
      }
      case "offloadedMetadata":
        throw inputError(variable, `its offloaded literal ${quoted(value.value.uri)} was not resolved`);
      default:
        throw inputError(variable, "its literal has no value of a kind that is known here");
    }
  }

  *#elements(literals: Literal[], spot: Spot): Walk<Literal[]> {
    yield this.#directory(spot);
    const names = this.named ? elementNames(literals, spot.variable) : null;
    let changed: Literal[] | null = null;
    for (const [index, literal] of literals.entries()) {
      const local = yield* this.literal(literal, {
        variable: elementPlace(spot.variable, index),
        path: `${spot.path}/${names === null ? index : names[index]}`,
        ownDirectory: false,
        depth: spot.depth + 1,
      });
      if (local !== literal) (changed ??= literals.slice())[index] = local;
    }
    return changed ?? literals;
  }

  *#entries(literals: ReadonlyMap<string, Literal>, spot: Spot): Walk<ReadonlyMap<string, Literal>> {
    yield this.#directory(spot);
    let changed: Map<string, Literal> | null = null;
    for (const [key, literal] of literals) {
      const variable = keyPlace(spot.variable, key);
      assertName(key, variable);
      const local = yield* this.literal(literal, {
        variable,
        path: `${spot.path}/${key}`,
        ownDirectory: this.named,
        depth: spot.depth + 1,
      });
      if (local !== literal) (changed ??= new Map(literals)).set(key, local);
    }
    return changed ?? literals;
  }

  *#scalar(scalar: Scalar, spot: Spot): Walk<Scalar> {
    const value = scalar.value;
    switch (value?.case) {
      case "union": {
        const inner = value.value.value;
        if (inner === undefined) throw inputError(spot.variable, "its union holds no value");
        // The original gives a blob in a union its plain name in every layout.
        const local = yield* this.literal(inner, { ...spot, ownDirectory: false, depth: spot.depth + 1 });
        if (local === inner) return scalar;
        return { ...scalar, value: { case: "union", value: { ...value.value, value: local } } };
      }
      case "blob": {
        const kind = isMultipart(value.value) ? "prefix" : "object";
        const uri = yield* this.#remote(kind, value.value.uri, spot);
        return { ...scalar, value: { case: "blob", value: { ...value.value, uri } } };
      }
      case "schema": {
        const uri = yield* this.#remote("prefix", value.value.uri, spot);
        return { ...scalar, value: { case: "schema", value: { ...value.value, uri } } };
      }
      case "structuredDataset": {
        const uri = yield* this.#remote("prefix", value.value.uri, spot);
        return { ...scalar, value: { case: "structuredDataset", value: { ...value.value, uri } } };
      }
      case undefined:
        throw inputError(spot.variable, "its scalar has no value of a kind that is known here");
      default:
        assertPathLength(spot.path, spot.variable);
        yield new ScalarWrite(this.#input, spot, scalar);
        return scalar;
    }
  }

  /** Plans the fetch of a URI and gives its local path. */
  *#remote(kind: "object" | "prefix", uri: string, spot: Spot): Walk<string> {
    const { variable } = spot;
    assertUri(uri, { action: "use", variable });
    if (!this.#fetch) return uri;
    let path = spot.path;
    if (kind === "object" && spot.ownDirectory) {
      const name = basenameOfUri(uri);
      assertName(name, variable);
      yield this.#directory(spot);
      path = `${path}/${name}`;
    }
    assertPathLength(path, variable);
    yield { kind, input: this.#input, variable, path, uri };
    return path;
  }

  #directory({ variable, path }: Spot): DirectoryAction {
    assertPathLength(path, variable);
    return { kind: "directory", input: this.#input, variable, path };
  }
}

/** A write action that makes its bytes when they are written. */
class ScalarWrite implements WriteAction {
  readonly kind = "write";
  readonly input: string;
  readonly variable: string;
  readonly path: string;
  readonly #scalar: Scalar;

  constructor(input: string, spot: Spot, scalar: Scalar) {
    this.input = input;
    this.variable = spot.variable;
    this.path = spot.path;
    this.#scalar = scalar;
  }

  get mode(): number {
    return this.#scalar.value?.case === "generic" ? STRUCT_MODE : VALUE_MODE;
  }

  content(write: ByteSink): void {
    try {
      writeScalar(this.#scalar, write);
    } catch (thrown) {
      const { code, message } = from(thrown, { action: "write its text", fallback: "input" });
      throw variableError(code, { action: "write", variable: this.variable, fault: message, cause: thrown });
    }
  }
}

function inputError(variable: string, fault: string): CopilotError {
  return variableError("input", { action: "use", variable, fault });
}
