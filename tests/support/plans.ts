/**
 * What the tests of planning share: builders of messages, a directory in memory, and a seeded generator.
 * @module
 */
import { cannot } from "../../src/errors.ts";
import type { OutputTree } from "../../src/flyte/plan/outputs.ts";
import type { DownloadPlan } from "../../src/flyte/plan/plan_download.ts";
import type {
  Literal,
  LiteralMap,
  LiteralType,
  Primitive,
  Scalar,
  TypedInterface,
} from "../../src/flyte/types.ts";
import { SimpleType } from "../../src/flyte/types.ts";
import { bytesOf } from "../../src/flyte/text/text_bytes.ts";

export function scalar(value: NonNullable<Scalar["value"]>): Literal {
  return { value: { case: "scalar", value: { value } }, hash: "", metadata: new Map() };
}

export function primitive(value: NonNullable<Primitive["value"]>): Literal {
  return scalar({ case: "primitive", value: { value } });
}

export function integer(value: number): Literal {
  return primitive({ case: "integer", value: BigInt(value) });
}

export function text(value: string): Literal {
  return primitive({ case: "stringValue", value });
}

export function none(): Literal {
  return scalar({ case: "noneType", value: {} });
}

export function blob(uri: string, type = { format: "", dimensionality: 0 }): Literal {
  return scalar({ case: "blob", value: { uri, metadata: { type } } });
}

export function tree(uri: string): Literal {
  return blob(uri, { format: "", dimensionality: 1 });
}

/** A StructuredDataset. */
export function dataset(uri: string): Literal {
  return scalar({
    case: "structuredDataset",
    value: {
      uri,
      metadata: {
        structuredDatasetType: {
          columns: [{ name: "id", literalType: INTEGER }],
          format: "parquet",
          externalSchemaType: "",
          externalSchemaBytes: new Uint8Array(0),
        },
      },
    },
  });
}

/** A schema, which StructuredDatasets have replaced. */
export function schema(uri: string): Literal {
  return scalar({ case: "schema", value: { uri, type: { columns: [{ name: "id", type: 0 }] } } });
}

export function list(...literals: Literal[]): Literal {
  return { value: { case: "collection", value: { literals } }, hash: "", metadata: new Map() };
}

export function map(entries: Record<string, Literal>): Literal {
  return { value: { case: "map", value: literalMap(entries) }, hash: "", metadata: new Map() };
}

export function union(value: Literal, type: LiteralType): Literal {
  return scalar({ case: "union", value: { value, type } });
}

export function offloaded(
  uri: string,
  options: { sizeBytes?: bigint; inferredType?: LiteralType } = {},
): Literal {
  const value = { uri, sizeBytes: 0n, ...options };
  return { value: { case: "offloadedMetadata", value }, hash: "", metadata: new Map() };
}

export function literalMap(entries: Record<string, Literal>): LiteralMap {
  return { literals: new Map(Object.entries(entries)) };
}

export function simple(value: number): LiteralType {
  return { type: { case: "simple", value } };
}

export const INTEGER = simple(SimpleType.INTEGER);
export const STRING = simple(SimpleType.STRING);
export const NONE = simple(SimpleType.NONE);
export const FILE: LiteralType = { type: { case: "blob", value: { format: "", dimensionality: 0 } } };
export const DIRECTORY: LiteralType = { type: { case: "blob", value: { format: "", dimensionality: 1 } } };

export function listType(value: LiteralType): LiteralType {
  return { type: { case: "collectionType", value } };
}

export function mapType(value: LiteralType): LiteralType {
  return { type: { case: "mapValueType", value } };
}

export function unionType(...variants: LiteralType[]): LiteralType {
  return { type: { case: "unionType", value: { variants } } };
}

export function outputs(types: Record<string, LiteralType>): TypedInterface {
  const variables = Object.entries(types).map(([key, type]) => ({ key, value: { type, description: "" } }));
  return { outputs: { variables } };
}

/** A directory in memory: a string is a file, an object a directory. */
export interface Directory {
  [name: string]: string | Uint8Array | Directory;
}

const encoder = new TextEncoder();

/** Reads a {@linkcode Directory}. Looking into what is not there is an error of the test. */
export class MemoryTree implements OutputTree {
  /** How often a directory was listed, by its path. */
  readonly listed = new Map<string, number>();
  readonly #root: Directory;

  constructor(root: Directory) {
    this.#root = root;
  }

  #at(path: readonly string[]): string | Uint8Array | Directory | undefined {
    let at: string | Uint8Array | Directory | undefined = this.#root;
    for (const name of path) {
      if (at === undefined || typeof at === "string" || at instanceof Uint8Array) return undefined;
      at = Object.hasOwn(at, name) ? at[name] : undefined;
    }
    return at;
  }

  kind(path: readonly string[]): "file" | "directory" | "missing" {
    const found = this.#at(path);
    if (found === undefined) return "missing";
    return typeof found === "string" || found instanceof Uint8Array ? "file" : "directory";
  }

  names(path: readonly string[]): readonly string[] {
    const key = path.join("/");
    this.listed.set(key, (this.listed.get(key) ?? 0) + 1);
    if (this.kind(path) !== "directory") throw new Error(`Not a directory: ${key}`);
    return Object.keys(this.#at(path) as Directory);
  }

  size(path: readonly string[]): number {
    return this.#file(path).length;
  }

  bytes(path: readonly string[], maxBytes: number): Uint8Array {
    const bytes = this.#file(path);
    if (bytes.length > maxBytes) {
      throw cannot("read", path.join("/"), { input: "it is too large" });
    }
    return bytes;
  }

  #file(path: readonly string[]): Uint8Array {
    const found = this.#at(path);
    if (typeof found === "string") return encoder.encode(found);
    if (found instanceof Uint8Array) return found;
    throw new Error(`Not a file: ${path.join("/")}`);
  }
}

/** Carries out a plan without objects: what its directory and write actions leave below `root`. */
export function carryOut(plan: DownloadPlan, root: string): Directory {
  const top: Directory = Object.create(null);
  for (const action of plan.actions) {
    const names = action.path.slice(root.length + 1).split("/");
    let at = top;
    for (const name of names.slice(0, -1)) at = at[name] as Directory;
    at[names.at(-1)!] = action.kind === "write"
      ? bytesOf((write) => action.content(write))
      : Object.create(null);
  }
  return top;
}

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One of several. */
export function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}
