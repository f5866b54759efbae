/**
 * Literals that are stored as objects of their own (`offloaded_metadata`), wherever they occur in a message.
 *
 * The caller fetches what {@linkcode offloadedIn} finds, hands each to {@linkcode resolveOffloaded}, and looks again: what
 * was fetched may hold further ones.
 * @module
 */
import type { CopilotError } from "../../errors.ts";
import { assertUri, elementPlace, keyPlace, quoted, variableError, variablePlace } from "./names.ts";
import type { Literal, LiteralMap, LiteralType, OffloadedMetadata, Primitive, Scalar } from "../types.ts";
import { SimpleType } from "../types.ts";

/** A literal that is stored elsewhere. */
export interface OffloadedRef {
  /** Where it is in the message: `files[2].x`. */
  variable: string;
  uri: string;
  /** The most bytes that the object may have; 0 where the message does not say. */
  sizeBytes: bigint;
  /** The literal in the message, which {@linkcode resolveOffloaded} fills. */
  literal: Literal;
}

/**
 * Finds every offloaded literal, in the order of the message.
 *
 * @throws CopilotError `input` for one without URI
 */
export function offloadedIn(map: LiteralMap): OffloadedRef[] {
  const found: OffloadedRef[] = [];
  for (const [name, literal] of map.literals) collect(literal, () => variablePlace(name), found);
  return found;
}

/** The place is a function: almost no literal is offloaded, and only those need its text. */
function collect(literal: Literal, place: () => string, found: OffloadedRef[]): void {
  const value = literal.value;
  switch (value?.case) {
    case "offloadedMetadata":
      found.push(reference(literal, value.value, place()));
      break;
    case "collection":
      value.value.literals.forEach((element, index) => {
        collect(element, () => elementPlace(place(), index), found);
      });
      break;
    case "map":
      for (const [key, element] of value.value.literals) {
        collect(element, () => keyPlace(place(), key), found);
      }
      break;
    case "scalar": {
      const scalar = value.value.value;
      if (scalar?.case === "union" && scalar.value.value) collect(scalar.value.value, place, found);
    }
  }
}

function reference(literal: Literal, metadata: OffloadedMetadata, variable: string): OffloadedRef {
  if (metadata.uri === "") {
    throw variableError("input", { action: "resolve", variable, fault: "it is offloaded but has no URI" });
  }
  assertUri(metadata.uri, { action: "resolve", variable });
  return { variable, uri: metadata.uri, sizeBytes: metadata.sizeBytes, literal };
}

/**
 * Puts a fetched literal in the place of its reference, in the message itself.
 *
 * Hash and metadata of the reference stay unless the fetched literal has its own.
 *
 * `size_bytes` is the most that the object may have. A smaller object is taken: the original ignores the figure, and messages
 * with one that is too high are in use.
 *
 * @param ref what {@linkcode offloadedIn} gave
 * @param resolved the object's bytes decoded as a Literal
 * @param fetchedBytes size of the object
 * @throws CopilotError `integrity` for an object that is larger than declared, `input` for one that is empty or of another
 *   type than `inferred_type`
 */
export function resolveOffloaded(ref: OffloadedRef, resolved: Literal, fetchedBytes: number): void {
  const { literal, sizeBytes } = ref;
  if (sizeBytes > 0n && BigInt(fetchedBytes) > sizeBytes) {
    throw refError(
      "integrity",
      ref,
      `it has ${fetchedBytes} bytes, more than the ${sizeBytes} of its reference`,
    );
  }
  if (resolved.value === undefined) throw refError("input", ref, "it holds no literal");
  const type = literal.value?.case === "offloadedMetadata" ? literal.value.value.inferredType : undefined;
  if (type !== undefined && !fits(resolved, type)) {
    throw refError("input", ref, "it holds a literal of another type than its reference says");
  }
  literal.value = resolved.value;
  if (resolved.hash !== "") literal.hash = resolved.hash;
  if (resolved.metadata.size > 0) literal.metadata = new Map([...literal.metadata, ...resolved.metadata]);
  if (resolved.unknown) literal.unknown = [...literal.unknown ?? [], ...resolved.unknown];
}

function refError(code: "integrity" | "input", ref: OffloadedRef, fault: string): CopilotError {
  const { variable, uri } = ref;
  return variableError(code, {
    action: "resolve",
    variable,
    fault: `the offloaded literal ${quoted(uri)}: ${fault}`,
  });
}

/**
 * Whether a literal can have a type, judged by its outermost shape.
 *
 * Deliberately coarse: the type is inferred by the control plane, whose versions differ (an empty or mixed list is `none` for
 * some), and only a literal that is plainly another thing may be refused.
 */
function fits(literal: Literal, type: LiteralType): boolean {
  const value = literal.value;
  const kind = type.type;
  if (value === undefined || kind === undefined || value.case === "offloadedMetadata") return true;
  if (kind.case === "unionType") {
    return isUnion(literal) || kind.value.variants.some((variant) => fits(literal, variant));
  }
  if (value.case === "collection") return kind.case === "collectionType" || isNone(kind);
  if (value.case === "map") return kind.case === "mapValueType" || isNone(kind);
  return scalarFits(value.value, type);
}

function isUnion(literal: Literal): boolean {
  return literal.value?.case === "scalar" && literal.value.value.value?.case === "union";
}

function isNone(kind: LiteralType["type"]): boolean {
  return kind?.case === "simple" && kind.value === SimpleType.NONE;
}

/** Simple types by the primitive that holds them. */
const PRIMITIVE_TYPES: Readonly<Record<NonNullable<Primitive["value"]>["case"], number>> = {
  integer: SimpleType.INTEGER,
  floatValue: SimpleType.FLOAT,
  stringValue: SimpleType.STRING,
  boolean: SimpleType.BOOLEAN,
  datetime: SimpleType.DATETIME,
  duration: SimpleType.DURATION,
};

function scalarFits(scalar: Scalar, type: LiteralType): boolean {
  const value = scalar.value;
  const kind = type.type;
  const simple = kind?.case === "simple" ? kind.value : undefined;
  switch (value?.case) {
    case "union":
      return value.value.value === undefined || fits(value.value.value, type);
    case "primitive": {
      const primitive = value.value.value;
      if (primitive === undefined) return true;
      return kind?.case === "enumType"
        ? primitive.case === "stringValue"
        : simple === PRIMITIVE_TYPES[primitive.case];
    }
    case "generic":
    case "binary":
      return simple === SimpleType.STRUCT || simple === SimpleType.BINARY;
    case "noneType":
      return simple === SimpleType.NONE;
    case "error":
      return simple === SimpleType.ERROR;
    case "schema":
    case "structuredDataset":
      return kind?.case === "schema" || kind?.case === "structuredDatasetType";
    case "blob":
      return kind?.case === "blob";
    default:
      return true;
  }
}
