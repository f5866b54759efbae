/**
 * JSON as Go's encoding/json prints it, and Structs to and from JSON.
 * @module
 */
import { CopilotError } from "../errors.ts";
import { formatFloat } from "./go_number.ts";
import { elementPlace, keyPlace } from "./names.ts";
import type { Struct, StructValue } from "./types.ts";

/** A JSON document: bigint for integers, number for doubles. */
export type Json = null | boolean | bigint | number | string | Json[] | Map<string, Json>;

/** Characters that Go escapes besides quotes, backslashes and controls: for HTML, and for JavaScript's line ends. */
const ESCAPED = /[<>&\u2028\u2029]/g;

/** Depth of a Struct that fits the bound on nested messages with room for the lists and maps around it. */
const MAX_STRUCT_DEPTH = 150;

/** A text in quotes as Go's encoding/json has it. */
export function quoteJson(text: string): string {
  const escape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(ESCAPED, escape);
}

/** A finite double as Go's encoding/json has it: an exponent only below 1e-6 and from 1e21 on. */
export function jsonNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Keys in the order of their bytes in UTF-8, which is the order of their code points. */
export function sortedEntries<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => comparePoints(a, b));
}

function comparePoints(a: string, b: string): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others of 16 bits. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/**
 * One line, no blanks, keys sorted.
 *
 * @param quote how texts and keys are written, where not as Go does it
 */
export function jsonText(value: Json, quote = quoteJson): string {
  const parts: string[] = [];
  write(value, parts, quote);
  return parts.join("");
}

function write(value: Json, parts: string[], quote: (text: string) => string): void {
  if (typeof value === "string") parts.push(quote(value));
  else if (typeof value === "number") parts.push(jsonNumber(value));
  else if (Array.isArray(value)) {
    value.forEach((item, index) => {
      parts.push(index === 0 ? "[" : ",");
      write(item, parts, quote);
    });
    parts.push(value.length === 0 ? "[]" : "]");
  } else if (value instanceof Map) {
    sortedEntries(value).forEach(([key, item], index) => {
      parts.push(index === 0 ? "{" : ",", quote(key), ":");
      write(item, parts, quote);
    });
    parts.push(value.size === 0 ? "{}" : "}");
  } else parts.push(String(value));
}

/**
 * Refuses what JSON has no text for.
 *
 * @param place what holds the number, for the message
 * @throws CopilotError `input` for NaN and infinities
 */
export function assertJsonNumber(value: number, place: string): void {
  if (Number.isFinite(value)) return;
  const fault = `json: unsupported value: ${formatFloat(value)}, wanted a finite number, or the format PROTO`;
  throw new CopilotError("input", `Cannot write ${place} as JSON: ${fault}`, { object: place });
}

/**
 * A Struct as a JSON document.
 *
 * @param place what the Struct is called in messages
 * @throws CopilotError `input` for NaN and infinities
 */
export function structJson(struct: Struct, place: string): Map<string, Json> {
  const fields = [...struct.fields];
  return new Map(fields.map(([key, value]) => [key, structValueJson(value, keyPlace(place, key))]));
}

function structValueJson({ kind }: StructValue, place: string): Json {
  switch (kind?.case) {
    case undefined:
    case "nullValue":
      return null;
    case "numberValue":
      assertJsonNumber(kind.value, place);
      return kind.value;
    case "stringValue":
    case "boolValue":
      return kind.value;
    case "structValue":
      return structJson(kind.value, place);
    case "listValue":
      return kind.value.values.map((value, index) => structValueJson(value, elementPlace(place, index)));
  }
}

/**
 * What Go's jsonpb makes of a text: the first JSON value counts, which is an object, or null for an empty one; the last
 * of two fields with one name wins.
 *
 * @throws Error that says what is wrong
 */
export function parseStruct(text: string): Struct {
  const document = text.replace(/^[ \t\r\n]+/, "");
  if (/^null\b/.test(document)) return { fields: new Map() };
  if (!document.startsWith("{")) throw new Error("it is no JSON object");
  return structOf(JSON.parse(document.slice(0, endOfObject(document))), 1);
}

/** Where the object at the start of a text ends; the text's end where it does not. */
function endOfObject(text: string): number {
  const tokens = /"(?:[^"\\]|\\.)*"|[{}]/gs;
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (token === "{") depth++;
    else if (token === "}" && --depth === 0) return index + 1;
  }
  return text.length;
}

function structOf(object: object, depth: number): Struct {
  if (depth > MAX_STRUCT_DEPTH) throw new Error(`it is nested deeper than ${MAX_STRUCT_DEPTH} levels`);
  const fields = Object.entries(object);
  return { fields: new Map(fields.map(([key, value]) => [key.toWellFormed(), structValueOf(value, depth)])) };
}

function structValueOf(value: unknown, depth: number): StructValue {
  if (value === null) return { kind: { case: "nullValue", value: 0 } };
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) throw new Error("a number in it is out of range");
      return { kind: { case: "numberValue", value } };
    case "string":
      return { kind: { case: "stringValue", value: value.toWellFormed() } };
    case "boolean":
      return { kind: { case: "boolValue", value } };
  }
  if (!Array.isArray(value)) {
    return { kind: { case: "structValue", value: structOf(value as object, depth + 1) } };
  }
  if (depth >= MAX_STRUCT_DEPTH) throw new Error(`it is nested deeper than ${MAX_STRUCT_DEPTH} levels`);
  const values = value.map((item) => structValueOf(item, depth + 1));
  return { kind: { case: "listValue", value: { values } } };
}
