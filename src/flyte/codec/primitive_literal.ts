/**
 * Literals that are a primitive and nothing else, of which lists and maps may hold a hundred thousand.
 * @module
 */
import type { Literal, Primitive } from "../types.ts";

type Value = NonNullable<Primitive["value"]>;

const NO_METADATA: ReadonlyMap<string, string> = new Map();

/** One object in place of the six that a literal, its scalar and its primitive are: those are made while they are looked at. */
class PrimitiveLiteral implements Literal {
  readonly #case: Value["case"] | undefined;
  readonly #value: Value["value"] | undefined;

  constructor({ value }: Primitive) {
    this.#case = value?.case;
    this.#value = value?.value;
  }

  get value(): NonNullable<Literal["value"]> {
    const value = { case: this.#case, value: this.#value } as Value;
    const primitive = this.#case === undefined ? {} : { value };
    return { case: "scalar", value: { value: { case: "primitive", value: primitive } } };
  }

  get hash(): string {
    return "";
  }

  get metadata(): ReadonlyMap<string, string> {
    return NO_METADATA;
  }
}

/**
 * The literal in little memory, where it is a primitive and nothing else; otherwise itself.
 *
 * @param literal to which nothing will be added
 */
export function compact(literal: Literal): Literal {
  const scalar = literal.value?.case === "scalar" ? literal.value.value : undefined;
  const primitive = scalar?.value?.case === "primitive" ? scalar.value.value : undefined;
  if (scalar === undefined || primitive === undefined) return literal;
  const more = literal.hash !== "" || literal.metadata.size > 0 ||
    (literal.unknown ?? scalar.unknown ?? primitive.unknown) !== undefined;
  return more ? literal : new PrimitiveLiteral(primitive);
}
