/**
 * JSON as Go's encoding/json prints it, and Structs to and from JSON.
 * @module
 */
import { cannot } from "../../errors.ts";
import { formatFloat } from "./go_number.ts";
import { elementPlace, keyPlace } from "../plan/names.ts";
import { pieces, type TextSink } from "./text_bytes.ts";
import type { Struct, StructValue } from "../types.ts";

/** A JSON document: bigint for integers, number for doubles. */
export type Json = null | boolean | bigint | number | string | Json[] | Map<string, Json>;

/** A list as far as it is written: an array, or items that are made when they are asked for. */
export interface JsonItems {
  readonly length: number;
  at(index: number): JsonView | undefined;
}

/** An object as far as it is written: a Map, or values that are made when they are asked for. */
export interface JsonEntries {
  readonly size: number;
  keys(): Iterable<string>;
  get(key: string): JsonView | undefined;
}

/** What the texts of a document are written from; every {@linkcode Json} is one. */
export type JsonView = null | boolean | bigint | number | string | JsonItems | JsonEntries;

/** Characters that Go escapes besides quotes, backslashes and controls: for HTML, and for JavaScript's line ends. */
const ESCAPED = /[<>&\u2028\u2029]/;
const ESCAPEDS = /[<>&\u2028\u2029]/g;

/** What something is called in messages; a function, since hardly any is needed and a name may be long. */
export type Place = () => string;

const SURROGATE = /[\ud800-\udfff]/;

/** Depth of a Struct that fits the bound on nested messages with room for the lists and maps around it. */
const MAX_STRUCT_DEPTH = 150;

/** A text in quotes as Go's encoding/json has it. */
function writeQuoted(text: string, out: TextSink): void {
  const escape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  out.push('"');
  for (const piece of pieces(text)) {
    const quoted = JSON.stringify(piece).slice(1, -1);
    out.push(ESCAPED.test(quoted) ? quoted.replaceAll(ESCAPEDS, escape) : quoted);
  }
  out.push('"');
}

/** A finite double as Go's encoding/json has it: an exponent only below 1e-6 and from 1e21 on. */
export function jsonNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Whether a view is a list. */
export function isItems(view: JsonItems | JsonEntries): view is JsonItems {
  return "length" in view;
}

/** Keys in the order of their bytes in UTF-8, which is the order of their code points. */
export function sortedKeys(keys: Iterable<string>): string[] {
  const sorted = [...keys];
  // The order of 16-bit units differs only where there are surrogates, and is many times as fast.
  return sorted.some((key) => SURROGATE.test(key)) ? sorted.sort(comparePoints) : sorted.sort();
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
export function jsonText(value: JsonView, quote = writeQuoted): string {
  const parts: string[] = [];
  writeJson(value, parts, quote);
  return parts.join("");
}

/** Writes what {@linkcode jsonText} gives, part by part. */
export function writeJson(value: JsonView, out: TextSink, quote = writeQuoted): void {
  if (typeof value === "string") quote(value, out);
  else if (typeof value === "number") out.push(jsonNumber(value));
  else if (typeof value !== "object" || value === null) out.push(String(value));
  else if (isItems(value)) {
    out.push("[");
    for (let index = 0; index < value.length; index++) {
      if (index > 0) out.push(",");
      writeJson(value.at(index)!, out, quote);
    }
    out.push("]");
  } else {
    out.push("{");
    sortedKeys(value.keys()).forEach((key, index) => {
      if (index > 0) out.push(",");
      quote(key, out);
      out.push(":");
      writeJson(value.get(key)!, out, quote);
    });
    out.push("}");
  }
}

/**
 * Refuses what JSON has no text for.
 *
 * @param place what holds the number, for the message
 * @throws CopilotError `input` for NaN and infinities
 */
export function assertJsonNumber(value: number, place: Place): void {
  if (Number.isFinite(value)) return;
  const fault = `json: unsupported value: ${formatFloat(value)}, wanted a finite number, or the format PROTO`;
  throw cannot(`write ${place()} as JSON`, { input: fault });
}

/**
 * A Struct as a JSON document, whose values are made when they are asked for.
 *
 * @param place what the Struct is called in messages
 * @returns what throws, when it is written, CopilotError `input` for NaN and infinities
 */
export function structJson({ fields }: Struct, place: Place): JsonEntries {
  return entriesOf(fields, (value, key) => structValueJson(value, () => keyPlace(place(), key)));
}

/** A map's values, each as what `view` makes of it when it is asked for. */
export function entriesOf<T>(
  map: ReadonlyMap<string, T>,
  view: (value: T, key: string) => JsonView,
): JsonEntries {
  return { size: map.size, keys: () => map.keys(), get: (key) => view(map.get(key)!, key) };
}

/** A list's values; as {@linkcode entriesOf}. */
export function itemsOf<T>(list: readonly T[], view: (value: T, index: number) => JsonView): JsonItems {
  return { length: list.length, at: (index) => view(list[index]!, index) };
}

function structValueJson({ kind }: StructValue, place: Place): JsonView {
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
      return itemsOf(
        kind.value.values,
        (value, index) => structValueJson(value, () => elementPlace(place(), index)),
      );
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
  let depth = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (isQuoted) {
      if (char === "\\") index++;
      else if (char === '"') isQuoted = false;
    } else if (char === '"') isQuoted = true;
    else if (char === "{") depth++;
    else if (char === "}" && --depth === 0) return index + 1;
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
