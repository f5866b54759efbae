/**
 * Flyte's messages on the wire and back: the shapes of types.ts, driven by the tables of schema.ts.
 *
 * The only file that knows protobufjs, of which it uses the reader: what that lacks for documents that are passed on
 * (64-bit integers without loss, unknown fields, merging, a bound on nesting) is here. Its writer keeps five objects for each
 * number until the end, which a document of many small values has no memory for: backward_writer.ts keeps bytes.
 * @module
 */
import { Reader } from "protobufjs/minimal";
import { cannot, CopilotError } from "../../errors.ts";
import {
  type Choice,
  DELIMITED,
  empty,
  type Fields,
  MAX_NESTING,
  type Plan,
  type PlannedField,
  planOf,
} from "./message_tables.ts";
import { Encoder } from "./encoder.ts";
import { compact } from "./primitive_literal.ts";
import type { ErrorDocument, Literal, LiteralMap, TypedInterface, VariableMap } from "../types.ts";
import { fieldCost } from "./decoded_cost.ts";

export { MAX_NESTING };

/** The messages that can be decoded and encoded on their own. */
export interface Documents {
  LiteralMap: LiteralMap;
  Literal: Literal;
  TypedInterface: TypedInterface;
  VariableMap: VariableMap;
  ErrorDocument: ErrorDocument;
}

const LITERAL = planOf("Literal");

type MapEntry = { key: string; value: unknown };

/** Reads one run of bytes. */
class Decoder {
  readonly #bytes: Uint8Array;
  readonly #reader: Reader;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#reader = new Reader(bytes);
  }

  get position(): number {
    return this.#reader.pos;
  }

  /** Reads fields up to `end` into `target`; what is there already is merged with, as proto3 says. */
  message(plan: Plan, target: Fields, end = this.#bytes.length): Fields {
    if (++this.#depth > MAX_NESTING) throw new Error(`nested deeper than ${MAX_NESTING} messages`);
    const reader = this.#reader;
    while (reader.pos < end) {
      const start = reader.pos;
      const tag = reader.tag();
      const field = plan.byNumber[tag >>> 3];
      if (field !== undefined && (tag & 7) === field.wire) {
        this.#field(field, target);
      } else {
        reader.skipType(tag & 7, 0, tag >>> 3);
        this.#keep(target, start);
      }
    }
    if (reader.pos > end) throw new Error("a field is longer than the message it is in");
    this.#depth--;
    return target;
  }

  /** Keeps what was read since `start`; neighbours become one view, so that small fields do not cost many. */
  #keep(target: Fields, start: number): void {
    const kept = target.unknown ??= [];
    const last = kept.at(-1);
    const adjoins = last !== undefined && last.byteOffset + last.length === this.#bytes.byteOffset + start;
    const from = adjoins ? start - last.length : start;
    if (adjoins) kept.pop();
    kept.push(this.#bytes.subarray(from, this.#reader.pos));
  }

  #field(field: PlannedField, target: Fields): void {
    const { name, oneof } = field;
    if (field.map) {
      const before = target[name] as Map<string, unknown>;
      const map = before.size === 0 ? new Map<string, unknown>() : before;
      const { key, value } = this.#entry(field);
      target[name] = map.set(key, kept(field, value));
    } else if (field.repeated) {
      (target[name] as unknown[]).push(kept(field, this.#value(field, undefined)));
    } else if (oneof === undefined) {
      target[name] = this.#value(field, target[name]);
    } else {
      const before = target[oneof] as Choice | undefined;
      const value = this.#value(field, before?.case === name ? before.value : undefined);
      target[oneof] = { case: name, value } satisfies Choice;
    }
  }

  #entry({ entry, message }: PlannedField): MapEntry {
    const read = this.#nested(entry!, empty(entry!)) as unknown as MapEntry;
    if (read.value === undefined) read.value = empty(message!);
    return read;
  }

  #nested(plan: Plan, target: Fields): Fields {
    const length = this.#reader.size();
    return this.message(plan, target, this.#reader.pos + length);
  }

  #value(field: PlannedField, before: unknown): unknown {
    const reader = this.#reader;
    switch (field.type) {
      case "string":
        return this.#text();
      case "bytes":
        return this.#delimited();
      case "bool":
        return reader.bool();
      case "int32":
      case "enum":
        return reader.int32();
      case "int64":
        return BigInt.asIntN(64, bits(reader.int64()));
      case "uint64":
        return bits(reader.uint64());
      case "double":
        return reader.double();
      default:
        return this.#nested(field.message!, before as Fields | undefined ?? empty(field.message!));
    }
  }

  #delimited(): Uint8Array {
    const length = this.#reader.size();
    const start = this.#reader.pos;
    this.#reader.skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(): string {
    try {
      return this.#reader.stringVerify();
    } catch (thrown) {
      throw thrown instanceof TypeError
        ? new Error("a string is not valid UTF-8", { cause: thrown })
        : thrown;
    }
  }
}

/** What a list or a map keeps of a value, with which nothing is merged any more. */
function kept({ message }: PlannedField, value: unknown): unknown {
  return message === LITERAL ? compact(value as Literal) : value;
}

/** The 64 bits that protobufjs gives as two halves. */
function bits(value: { low: number; high: number } | number): bigint {
  if (typeof value === "number") {
    throw cannot("read 64 bits", { internal: "long is not bundled" });
  }
  const low = BigInt(value.low >>> 0);
  return value.high === 0 ? low : low | BigInt(value.high >>> 0) << 32n;
}

/**
 * Reads a message.
 *
 * @param name the message's name in flyteidl2.core
 * @param bytes its bytes; `bytes` and `unknown` fields of the result are views into them
 * @throws CopilotError `input` for bytes that are no such message, or one nested deeper than {@linkcode MAX_NESTING}
 */
export function decode<Name extends keyof Documents>(name: Name, bytes: Uint8Array): Documents[Name] {
  const decoder = new Decoder(bytes);
  try {
    return decoder.message(planOf(name), empty(planOf(name))) as unknown as Documents[Name];
  } catch (thrown) {
    if (thrown instanceof CopilotError) throw thrown;
    const { name: kind, message } = thrown as Error;
    const cut = kind === "RangeError";
    const why = cut ? "the data ends in the middle of a field" : message.replace(/ at offset \d+$/, "");
    const where = `byte ${Math.min(decoder.position, bytes.length)} of ${bytes.length}`;
    throw new CopilotError("input", { action: `decode ${name}`, detail: `${why} (${where})`, cause: thrown });
  }
}

/**
 * How much some bytes will take once they are decoded: 1 for a literal that is a primitive, and for the entry of a map beside its
 * value; 2 or more for every other message, for a literal's hash and its metadata, and for a field that nobody knows. Told from the
 * bytes alone, of which nothing is kept.
 *
 * @param name the message's name in flyteidl2.core
 * @returns the cost up to the first fault, where the bytes are no such message: {@linkcode decode} tells that
 */
export function decodedCost(name: keyof Documents, bytes: Uint8Array): number {
  const reader = new Reader(bytes);
  let cost = 0;
  const walk = (plan: Plan, end: number, depth: number): void => {
    while (reader.pos < end && depth <= MAX_NESTING) {
      const tag = reader.tag();
      const field = plan.byNumber[tag >>> 3];
      const inside = field?.entry ?? field?.message;
      cost += fieldCost(plan, field);
      if (inside === undefined || (tag & 7) !== DELIMITED) reader.skipType(tag & 7, 0, tag >>> 3);
      else walk(inside, reader.size() + reader.pos, depth + 1);
    }
  };
  try {
    walk(planOf(name), bytes.length, 1);
  } catch { /* the bytes are at fault */ }
  return cost;
}

/**
 * Writes a message: fields by number, maps in their own order, unknown fields last.
 *
 * @param name the message's name in flyteidl2.core
 * @throws CopilotError `output` for a message nested deeper than {@linkcode MAX_NESTING}; `internal` for a text with
 * half of a surrogate pair, which no valid document has
 */
export function encode<Name extends keyof Documents>(name: Name, message: Documents[Name]): Uint8Array {
  const parts = encodeParts(name, message);
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What {@linkcode encode} gives, in parts, of which long ones are views into the message. */
export function encodeParts<Name extends keyof Documents>(
  name: Name,
  message: Documents[Name],
): Uint8Array[] {
  const encoder = new Encoder(name);
  encoder.message(planOf(name), message as unknown as Fields);
  return encoder.finish();
}

/** Reads inputs.pb or outputs.pb. As {@linkcode decode}. */
export function decodeLiteralMap(bytes: Uint8Array): LiteralMap {
  return decode("LiteralMap", bytes);
}

/** Writes inputs.pb or outputs.pb. As {@linkcode encode}. */
export function encodeLiteralMap(message: LiteralMap): Uint8Array {
  return encode("LiteralMap", message);
}

/** Reads an offloaded literal. As {@linkcode decode}. */
export function decodeLiteral(bytes: Uint8Array): Literal {
  return decode("Literal", bytes);
}

/** Reads what `--interface` holds. As {@linkcode decode}. */
export function decodeTypedInterface(bytes: Uint8Array): TypedInterface {
  return decode("TypedInterface", bytes);
}
