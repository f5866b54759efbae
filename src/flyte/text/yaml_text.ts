/**
 * YAML in the style of the original's Go library, written so that YAML 1.1 and 1.2 read the same from it: whatever one
 * of them could take for something else than a string is quoted.
 *
 * Long lines are not folded, where Go folds them at 80 columns: readers see no difference, and no text can break.
 * @module
 */
import {
  isItems,
  type JsonEntries,
  type JsonItems,
  jsonNumber,
  type JsonView,
  sortedKeys,
} from "./go_json.ts";
import { formatShortFloat } from "./go_number.ts";
import { pieces, type TextSink } from "./text_bytes.ts";
import { trimEnd } from "../../text/trim.ts";

/** Texts without quotes that YAML 1.1 or 1.2 read as null, a boolean, a merge or a default. */
const WORD = /^(?:~|null|true|false|yes|no|on|off|y|n|<<|=)$/i;
const NUMBER =
  /^[-+]?(?:0b[01_]+|0x[0-9a-f_]+|0o[0-7_]+|(?:\.[0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:e[-+]?[0-9]+)?|e[-+]?[0-9]+|\.inf)$|^\.nan$/i;
/** Numbers of base 60, such as 12:30:45. */
const SEXAGESIMAL = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;
const TIME = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?$/;

/** A first character, or two, that starts something else than a text without quotes. */
const INDICATOR = /^(?:[,[\]{}#&*!|>'"%@`]|[-?:](?:\s|$)|---|\.\.\.)/;
/** What ends a text without quotes inside. */
const TERMINATOR = /:(?:\s|$)|\s#/;
/**
 * Characters that YAML takes only as escapes, or takes for the end of a line, and those that turn the direction of what follows:
 * nobody who looks at a document should be shown another order than is in it.
 */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/u;
// deno-lint-ignore no-control-regex
const UNPRINTABLES = /["\\\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/gu;

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\0", "\\0"],
]);

/** A key longer than this gets the form with a question mark: readers look no further than 1,024 characters, escapes included. */
const MAX_SIMPLE_KEY = 64;

/** Integers outside these are floats to the original's library. */
const MIN_INTEGER = -(1n << 63n);
const MAX_INTEGER = (1n << 64n) - 1n;

/** A document as YAML, with a newline at its end. Keys are sorted, lists stand under their key without indentation. */
export function yamlText(value: JsonView): string {
  const parts: string[] = [];
  writeYaml(value, parts);
  return parts.join("");
}

/** Writes what {@linkcode yamlText} gives, part by part. */
export function writeYaml(value: JsonView, out: TextSink): void {
  writeBlock(value, "", out);
}

/** Writes a value where a line has just begun or an indicator was written. */
function writeBlock(value: JsonView, indent: string, out: TextSink): void {
  if (isNested(value)) writeNested(value, indent, out);
  else {
    writeScalar(value, indent, out);
    out.push("\n");
  }
}

/** What takes lines of its own: a list or a map that holds something. */
function isNested(value: JsonView): value is JsonItems | JsonEntries {
  return typeof value === "object" && value !== null && (isItems(value) ? value.length : value.size) > 0;
}

function writeNested(value: JsonItems | JsonEntries, indent: string, out: TextSink): void {
  if (isItems(value)) writeList(value, indent, out);
  else writeMap(value, indent, out);
}

function writeList(list: JsonItems, indent: string, out: TextSink): void {
  for (let index = 0; index < list.length; index++) {
    out.push(index === 0 ? "- " : `${indent}- `);
    writeBlock(list.at(index)!, `${indent}  `, out);
  }
}

function writeMap(map: JsonEntries, indent: string, out: TextSink): void {
  sortedKeys(map.keys()).forEach((key, index) => {
    if (index > 0) out.push(indent);
    if (key.length > MAX_SIMPLE_KEY) {
      out.push("? ");
      writeKey(key, out);
      out.push(`\n${indent}:`);
    } else {
      writeKey(key, out);
      out.push(":");
    }
    writeValue(map.get(key)!, indent, out);
  });
}

function writeValue(value: JsonView, indent: string, out: TextSink): void {
  if (isNested(value)) {
    const inner = isItems(value) ? indent : `${indent}  `;
    out.push(`\n${inner}`);
    writeNested(value, inner, out);
  } else {
    out.push(" ");
    writeScalar(value, `${indent}  `, out);
    out.push("\n");
  }
}

/**
 * What takes no lines of its own: texts, numbers, booleans, null, and lists and maps that hold nothing.
 *
 * @param indent what stands before each line of a text of several lines
 */
function writeScalar(value: JsonView, indent: string, out: TextSink): void {
  if (typeof value === "string") writeString(value, indent, out);
  else if (typeof value === "number") out.push(numberText(value));
  else if (typeof value !== "object" || value === null) out.push(String(value));
  else out.push(isItems(value) ? "[]" : "{}");
}

/** The original turns its JSON into YAML: what is an integer there, is one here, and loses the sign of zero. */
function numberText(value: number): string {
  const json = jsonNumber(value);
  const integer = /^-?[0-9]+$/.test(json) ? BigInt(json) : undefined;
  if (integer === undefined || integer < MIN_INTEGER || integer > MAX_INTEGER) return formatShortFloat(value);
  return String(integer);
}

function writeKey(key: string, out: TextSink): void {
  if (key.includes("\n")) writeDoubleQuoted(key, out);
  else writeLine(key, out);
}

function writeString(text: string, indent: string, out: TextSink): void {
  if (!text.includes("\n")) writeLine(text, out);
  else if (!writeLiteral(text, indent, out)) writeDoubleQuoted(text, out);
}

function writeLine(text: string, out: TextSink): void {
  if (isAmbiguous(text) || UNPRINTABLE.test(text)) writeDoubleQuoted(text, out);
  else if (!INDICATOR.test(text) && !TERMINATOR.test(text) && !/^\s|\s$|\t/.test(text)) {
    out.push(...pieces(text));
  } else {
    out.push("'");
    for (const piece of pieces(text)) out.push(piece.replaceAll("'", "''"));
    out.push("'");
  }
}

/** Whether a text without quotes could be read as something else than itself. */
function isAmbiguous(text: string): boolean {
  return text === "" || WORD.test(text) || NUMBER.test(text) || SEXAGESIMAL.test(text) || TIME.test(text);
}

/** Writes a text of several lines as a block; false where its blanks or characters would not survive in one. */
function writeLiteral(text: string, indent: string, out: TextSink): boolean {
  const content = trimEnd(text, "\n");
  if (content === "" || /^[ \t\n]|[ \t](?:\n|$)/.test(content) || UNPRINTABLE.test(text)) return false;
  const ending = text.length - content.length;
  const chomping = ending === 0 ? "-" : ending === 1 ? "" : "+";
  out.push(`|${chomping}`);
  for (let start = 0; start <= content.length;) {
    const end = content.indexOf("\n", start);
    const line = content.slice(start, end < 0 ? content.length : end);
    out.push("\n");
    if (line !== "") out.push(indent, ...pieces(line));
    start += line.length + 1;
  }
  for (let line = 1; line < ending; line++) out.push("\n");
  return true;
}

function writeDoubleQuoted(text: string, out: TextSink): void {
  out.push('"');
  for (const piece of pieces(text)) out.push(piece.replaceAll(UNPRINTABLES, escaped));
  out.push('"');
}

function escaped(char: string): string {
  const code = char.charCodeAt(0);
  const hex = code.toString(16).toUpperCase();
  return SHORT_ESCAPES.get(char) ??
    (code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`);
}
