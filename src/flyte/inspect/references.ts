/**
 * What a document names outside of itself.
 * @module
 */
import { Dimensionality, type Literal, type Scalar } from "../types.ts";

/** Something that a literal names. */
export interface Reference {
  uri: string;
  /** Whether it is everything below the URI rather than the object itself. */
  isPrefix: boolean;
}

/** Number and bytes of what a reference names. */
export interface ReferenceSize {
  objects: number;
  bytes: number;
}

/** Sizes by URI; null for what is not there. */
export type ReferenceSizes = ReadonlyMap<string, ReferenceSize | null>;

/** The references of literals, each URI once, in their order. */
export function references(literals: readonly Literal[]): Reference[] {
  const found = new Map<string, Reference>();
  const add = (uri: string, isPrefix: boolean) => {
    if (uri !== "" && !found.has(uri)) found.set(uri, { uri, isPrefix });
  };
  const waiting = [...literals].reverse();
  for (let literal = waiting.pop(); literal !== undefined; literal = waiting.pop()) {
    switch (literal.value?.case) {
      case "scalar":
        waiting.push(...scalarReferences(literal.value.value, add));
        break;
      case "collection":
        waiting.push(...literal.value.value.literals.toReversed());
        break;
      case "map":
        waiting.push(...[...literal.value.value.literals.values()].reverse());
        break;
      case "offloadedMetadata":
        add(literal.value.value.uri, false);
    }
  }
  return [...found.values()];
}

/** @returns the literals inside of the scalar */
function scalarReferences({ value }: Scalar, add: (uri: string, isPrefix: boolean) => void): Literal[] {
  switch (value?.case) {
    case "blob":
      add(value.value.uri, value.value.metadata?.type?.dimensionality === Dimensionality.MULTIPART);
      return [];
    case "schema":
    case "structuredDataset":
      add(value.value.uri, true);
      return [];
    case "union":
      return value.value.value === undefined ? [] : [value.value.value];
    default:
      return [];
  }
}
