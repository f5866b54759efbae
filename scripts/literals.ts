/**
 * Literals and their types, for what the scripts run copilot with.
 * @module
 */
import type { Literal, LiteralType, Scalar } from "../src/flyte/types.ts";

/** A literal of one scalar. */
export function literal(value: NonNullable<Scalar["value"]>): Literal {
  return { value: { case: "scalar", value: { value } }, hash: "", metadata: new Map() };
}

/** A file or directory. @param dimensionality of `Dimensionality` */
export function blob(uri: string, dimensionality: number, format = ""): Literal {
  return literal({ case: "blob", value: { uri, metadata: { type: { format, dimensionality } } } });
}

/** @param type of `SimpleType` */
export function simpleType(type: number): LiteralType {
  return { type: { case: "simple", value: type } };
}

/** @param dimensionality of `Dimensionality` */
export function blobType(dimensionality: number): LiteralType {
  return { type: { case: "blob", value: { format: "", dimensionality } } };
}
