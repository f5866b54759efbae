/**
 * From a TypedInterface and what the task left in its directory to the literals of outputs.pb and the files and directories
 * that have to be uploaded for them.
 *
 * The layout is the one that download makes: a file per simple value, a directory with entries 0, 1, 2 … per list, a
 * directory with an entry per key per map.
 * @module
 */
import type { UploadMode } from "../modes.ts";
import { CopilotError } from "../../errors.ts";
import { joinKey } from "../../storage/uri.ts";
import { assertName, quoted, variableError, variablePlace } from "./names.ts";
import type { Found, OutputTree } from "./outputs.ts";
import { OutputLookup } from "./outputs.ts";
import { listed, Refusal } from "./refusal.ts";
import { parseScalar } from "../text/text.ts";
import type { BlobType, Literal, LiteralMap, LiteralType, Scalar, TypedInterface } from "../types.ts";
import { Dimensionality, SimpleType } from "../types.ts";
import { trim } from "../../text/trim.ts";

export type { EntryKind, OutputTree } from "./outputs.ts";

/** Variants of a union whose faults a message lists, and characters of each: unions can be nested. */
const SHOWN_FAULTS = 8;
const SHOWN_FAULT_CHARACTERS = 400;

/** A file, or a directory with all that is in it, that has to be stored. */
export interface Upload {
  /** Where in the outputs, for messages: `files[2].x`. */
  variable: string;
  kind: "file" | "directory";
  /** Relative to the task's directory, components separated by `/`. */
  path: string;
  /** Where it goes, keys as they are. Of a directory: what `/<path of the file>` is put behind. */
  uri: string;
}

/** What {@linkcode planUpload} needs to know besides interface and tree. */
export interface UploadOptions {
  /** URI that raw data goes below, with or without `/` at its end. */
  rawPrefix: string;
  /** With DO_NOT_UPLOAD the literals name the places but nothing is uploaded; the other two have the same plan. */
  mode: UploadMode;
}

/** What is to be done and what outputs.pb will say. */
export interface UploadPlan {
  outputs: LiteralMap;
  uploads: Upload[];
}

/**
 * Plans the upload of a task's outputs.
 *
 * @param iface what the task declares; only its outputs count
 * @param tree what is there
 * @throws CopilotError `output` for what is missing or does not fit its type, `path` for a variable that cannot be a file's name,
 *   `input` for a variable that is declared twice, `unsupported` for a type that this program does not know; and whatever
 *   the tree throws. Each names the variable
 */
export function planUpload(iface: TypedInterface, tree: OutputTree, options: UploadOptions): UploadPlan {
  const variables = iface.outputs?.variables ?? [];
  const lookup = new OutputLookup(tree);
  const find = lookup.finder(namesOf(variables));
  const planner = new Planner(lookup);
  const literals = new Map<string, Literal>();
  for (const { key, value } of variables) {
    const uri = joinKey(options.rawPrefix, key);
    literals.set(key, planner.read(value?.type, { found: find(key), uri, fit: "disk" }));
  }
  return { outputs: { literals }, uploads: options.mode === "DO_NOT_UPLOAD" ? [] : planner.uploads };
}

/** The variables' names, each checked. */
function namesOf(variables: readonly { key: string }[]): Set<string> {
  const names = new Set<string>();
  for (const { key } of variables) {
    const variable = variablePlace(key);
    assertName(key, variable);
    if (names.has(key)) {
      throw variableError("input", { action: "upload", variable, fault: "the interface declares it twice" });
    }
    names.add(key);
  }
  return names;
}

/** What a literal is made from. */
interface Spot {
  readonly found: Found;
  readonly uri: string;
  /**
   * How a blob takes what is there: `disk`, not in a union, takes anything; `union-exact` only what its dimensionality
   * says, so that a later variant may fit better; `union-any` is the second round.
   */
  readonly fit: "disk" | "union-exact" | "union-any";
}

/** Makes literals and gathers the uploads that they need. */
class Planner {
  readonly uploads: Upload[] = [];
  readonly #lookup: OutputLookup;

  constructor(lookup: OutputLookup) {
    this.#lookup = lookup;
  }

  /** The literal of a type from what is at a spot. */
  read(type: LiteralType | undefined, spot: Spot): Literal {
    const { found, uri } = spot;
    const kind = type?.type;
    if (kind === undefined) {
      throw new Refusal(found.variable, "it has a type that is not known here", "unsupported");
    }
    if (kind.case === "unionType") return this.#union(kind.value.variants, spot);
    if (found.kind === "missing") return this.#missing(kind, spot);
    switch (kind.case) {
      case "simple":
        return literalOf(this.#simple(kind.value, spot));
      case "enumType":
        return literalOf(this.#enum(kind.value.values, found));
      case "blob":
        return literalOf(this.#blob(kind.value, spot));
      case "schema":
        this.#upload(spot);
        return literalOf({ value: { case: "schema", value: { uri, type: kind.value } } });
      case "structuredDatasetType": {
        this.#upload(spot);
        const value = { uri, metadata: { structuredDatasetType: kind.value } };
        return literalOf({ value: { case: "structuredDataset", value } });
      }
      case "collectionType":
        return this.#list(kind.value, spot);
      case "mapValueType":
        return this.#map(kind.value, spot);
    }
  }

  /** None where a union may have it; else there is nothing to make a literal of. */
  #missing(kind: LiteralType["type"], { found, fit }: Spot): Literal {
    if (fit !== "disk" && kind?.case === "simple" && kind.value === SimpleType.NONE) {
      return literalOf({ value: { case: "noneType", value: {} } });
    }
    throw this.#lookup.missing(found);
  }

  #simple(simple: number, { found, fit }: Spot): Scalar {
    const bytes = this.#lookup.valueBytes(found, simpleName(simple));
    if (simple === SimpleType.NONE && fit !== "disk" && !isNull(bytes)) {
      throw new Refusal(
        found.variable,
        `${shown(found)} holds text, and only an empty file or "null" is none`,
      );
    }
    return parsed(simple, bytes, found.variable);
  }

  #enum(values: readonly string[], found: Found): Scalar {
    const scalar = parsed(SimpleType.STRING, this.#lookup.valueBytes(found, "enum"), found.variable);
    const primitive = scalar.value?.case === "primitive" ? scalar.value.value.value : undefined;
    const text = primitive?.case === "stringValue" ? primitive.value : "";
    if (values.includes(text)) return scalar;
    throw new Refusal(
      found.variable,
      `${quoted(text)} is not a value of the enum, wanted one of ${listed(values)}`,
    );
  }

  #blob(type: BlobType, spot: Spot): Scalar {
    const { found, uri, fit } = spot;
    const dimensionality = found.kind === "directory" ? Dimensionality.MULTIPART : Dimensionality.SINGLE;
    if (fit === "union-exact" && dimensionality !== type.dimensionality) {
      throw new Refusal(found.variable, `${shown(found)} is a ${found.kind}`);
    }
    this.#upload(spot);
    return { value: { case: "blob", value: { uri, metadata: { type: { ...type, dimensionality } } } } };
  }

  #upload({ found, uri }: Spot): void {
    const { variable, path } = found;
    const kind = found.kind === "directory" ? "directory" : "file";
    this.uploads.push({ variable, kind, path: path.join("/"), uri });
  }

  #list(type: LiteralType, { found, uri, fit }: Spot): Literal {
    const literals = this.#lookup.elements(found).map(({ element, segment }) =>
      this.read(type, { found: element, uri: joinKey(uri, segment), fit })
    );
    return { value: { case: "collection", value: { literals } }, hash: "", metadata: new Map() };
  }

  #map(type: LiteralType, { found, uri, fit }: Spot): Literal {
    const literals = new Map<string, Literal>();
    for (const [key, value] of this.#lookup.entries(found)) {
      literals.set(key, this.read(type, { found: value, uri: joinKey(uri, key), fit }));
    }
    return { value: { case: "map", value: { literals } }, hash: "", metadata: new Map() };
  }

  /** The first variant that takes what is there; blobs of another dimensionality than declared only if nothing else does. */
  #union(variants: readonly LiteralType[], { found, uri, fit }: Spot): Literal {
    const rounds = fit === "disk" ? ["union-exact", "union-any"] as const : [fit];
    const uploads = this.uploads.length;
    let faults: string[] = [];
    for (const round of rounds) {
      faults = [];
      for (const type of variants) {
        try {
          const value = this.read(type, { found, uri, fit: round });
          return literalOf({ value: { case: "union", value: { value, type } } });
        } catch (thrown) {
          if (!(thrown instanceof Refusal)) throw thrown;
          this.uploads.length = uploads;
          faults.push(faultOf(type, thrown, found));
        }
      }
    }
    throw new Refusal(
      found.variable,
      `no variant of its union fits (${faults.slice(0, SHOWN_FAULTS).join("; ")})`,
    );
  }
}

/** What a variant said, with the place where that is not the union's own. */
function faultOf(type: LiteralType, refusal: Refusal, found: Found): string {
  const place = refusal.variable === found.variable ? "" : `${refusal.variable}: `;
  return `${typeName(type)}: ${place}${refusal.fault.detail.slice(0, SHOWN_FAULT_CHARACTERS)}`;
}

function shown(found: Found): string {
  return quoted(found.path.join("/"));
}

function parsed(simple: number, bytes: Uint8Array, variable: string): Scalar {
  try {
    return parseScalar(simple, bytes);
  } catch (thrown) {
    if (thrown instanceof CopilotError && thrown.code === "output") {
      throw new Refusal(variable, thrown.message);
    }
    throw thrown;
  }
}

/** Whether a file stands for none: nothing but blanks, or the text `null`. */
function isNull(bytes: Uint8Array): boolean {
  const text = trim(new TextDecoder().decode(bytes), " \t\n");
  return text === "" || text === "null";
}

function literalOf(scalar: Scalar): Literal {
  return { value: { case: "scalar", value: scalar }, hash: "", metadata: new Map() };
}

const SIMPLE_NAMES = new Map(Object.entries(SimpleType).map(([name, number]) => [number as number, name]));

function simpleName(simple: number): string {
  return SIMPLE_NAMES.get(simple) ?? `simple type ${simple}`;
}

/** A type's outermost shape in a word. */
function typeName({ type }: LiteralType): string {
  switch (type?.case) {
    case "simple":
      return simpleName(type.value);
    case "collectionType":
      return "list";
    case "mapValueType":
      return "map";
    case "structuredDatasetType":
      return "structured dataset";
    case "enumType":
      return "enum";
    case "unionType":
      return "union";
    case "blob":
      return type.value.dimensionality === Dimensionality.MULTIPART ? "directory" : "file";
    case "schema":
      return "schema";
    default:
      return "unknown type";
  }
}
