/**
 * Documents of Flyte as tables for a terminal. Whatever comes from a document is shown without characters that a
 * terminal obeys.
 * @module
 */
import { type Json, jsonText } from "../text/go_json.ts";
import type { Difference } from "./differences.ts";
import type { ReferenceSize, ReferenceSizes } from "./references.ts";
import { elementPlace, keyPlace, variablePlace } from "../plan/names.ts";
import { messageJson } from "../text/proto_json.ts";
import { writeScalar } from "../text/text.ts";
import { shown } from "./shown.ts";
import { blobText, enumText, inBrackets, typeText } from "./type_text.ts";
import type { ErrorDocument, Literal, Primitive, Scalar, VariableMap } from "../types.ts";
import { bytesOf, type TextSink } from "../text/text_bytes.ts";

/** Elements of one list or map that are shown; the rest is counted. */
const MAX_ELEMENTS = 20;
/** Characters of a value, a type or a description; a URI is never cut, it is there to be copied. */
const MAX_CELL = 80;
/** Bytes of a binary value that are shown. */
const MAX_HEX_BYTES = 16;
const GAP = "  ";

const PRIMITIVES: Readonly<Record<NonNullable<Primitive["value"]>["case"], string>> = {
  integer: "integer",
  floatValue: "float",
  stringValue: "string",
  boolean: "boolean",
  datetime: "datetime",
  duration: "duration",
};

const decoder = new TextDecoder();

/** How literals are shown. */
export interface LiteralsOptions {
  /** What they are: INPUT, OUTPUT, VARIABLE. */
  title: string;
  /** Where they are known, number and bytes of what references name. */
  sizes: ReferenceSizes | undefined;
}

/**
 * Name, type, value, hash and metadata of every literal in the order of their names, elements of lists and maps below their own.
 */
export function literalsTable(
  literals: ReadonlyMap<string, Literal>,
  { title, sizes }: LiteralsOptions,
): string {
  const rows: string[][] = [];
  for (const [name, literal] of sorted(literals)) addLiteral(rows, variablePlace(name), { literal, sizes });
  if (rows.length === 0) return "no variables\n";
  if (sizes !== undefined && sizes.size > 0) rows.push(totalRow(sizes));
  return table([title, "TYPE", "VALUE", "OBJECTS", "BYTES", "HASH", "METADATA"], rows);
}

function addLiteral(
  rows: string[][],
  place: string,
  { literal, sizes }: { literal: Literal; sizes: ReferenceSizes | undefined },
): void {
  const { type, value, children, uri } = describe(literal, place);
  const metadata = [...literal.metadata].map(([key, text]) => `${key}=${text}`).join(", ");
  rows.push([place, cut(type), value, ...sizeCells(sizes, uri), literal.hash, cut(metadata)]);
  for (const [name, child] of children.slice(0, MAX_ELEMENTS)) {
    addLiteral(rows, name, { literal: child, sizes });
  }
  const more = children.length - MAX_ELEMENTS;
  if (more > 0) rows.push([`${place} …`, "", `${more} more`, "", "", "", ""]);
}

function sizeCells(
  sizes: ReferenceSizes | undefined,
  uri: string | undefined,
): [objects: string, bytes: string] {
  const size = uri === undefined ? undefined : sizes?.get(uri);
  if (size === undefined) return ["", ""];
  return size === null ? ["missing", ""] : [String(size.objects), String(size.bytes)];
}

function totalRow(sizes: ReferenceSizes): string[] {
  const known = [...sizes.values()].filter((size) => size !== null);
  const sum = (of: (size: ReferenceSize) => number) =>
    String(known.reduce((total, size) => total + of(size), 0));
  return ["total", "", "", sum(({ objects }) => objects), sum(({ bytes }) => bytes), "", ""];
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}

/** A literal's cells, and the places and literals inside it. */
interface Description {
  type: string;
  value: string;
  children: [string, Literal][];
  /** What it names outside of the document. */
  uri?: string;
}

function describe({ value }: Literal, place: string): Description {
  switch (value?.case) {
    case "scalar":
      return describeScalar(value.value, place);
    case "collection": {
      const { literals } = value.value;
      const children = literals.map((item, at): [string, Literal] => [elementPlace(place, at), item]);
      return { type: "list", value: count(literals.length, "element"), children };
    }
    case "map": {
      const entries = sorted(value.value.literals);
      const children = entries.map(([key, item]): [string, Literal] => [keyPlace(place, key), item]);
      return { type: "map", value: count(entries.length, "entry", "entries"), children };
    }
    case "offloadedMetadata": {
      const { uri, sizeBytes, inferredType } = value.value;
      return reference(`offloaded ${typeText(inferredType)}`, uri, ` (${count(sizeBytes, "byte")})`);
    }
    case undefined:
      return leaf("?", "no value");
  }
}

function describeScalar(scalar: Scalar, place: string): Description {
  const { value } = scalar;
  switch (value?.case) {
    case "primitive":
      return leaf(primitiveType(value.value), primitiveText(scalar, value.value));
    case "blob":
      return reference(blobText(value.value.metadata?.type), value.value.uri);
    case "schema":
      return reference(
        typeText({ type: { case: "schema", value: value.value.type ?? { columns: [] } } }),
        value.value.uri,
      );
    case "structuredDataset": {
      const type = value.value.metadata?.structuredDatasetType;
      const named = type === undefined
        ? "dataset"
        : typeText({ type: { case: "structuredDatasetType", value: type } });
      return reference(named, value.value.uri);
    }
    case "binary":
      return leaf(`binary${inBrackets(value.value.tag)}`, binaryText(value.value.value));
    case "noneType":
      return leaf("none", "null");
    case "error":
      return leaf("error", value.value.message);
    case "generic":
      return leaf(
        "struct",
        jsonText(messageJson("Struct", value.value), plainQuotes),
      );
    case "union": {
      if (value.value.value === undefined) return leaf("union", "no value");
      const inner = describe(value.value.value, place);
      return { ...inner, type: `union: ${inner.type}` };
    }
    case undefined:
      return leaf("?", "no value");
  }
}

/** What stands elsewhere. */
function reference(type: string, uri: string, note = ""): Description {
  return { type, value: `${uri}${note}`, children: [], uri };
}

/** A text as JSON has it, without the escapes for HTML. */
function plainQuotes(text: string, out: TextSink): void {
  out.push(JSON.stringify(text));
}

function leaf(type: string, value: string): Description {
  return { type, value: cut(value), children: [] };
}

function primitiveType({ value }: Primitive): string {
  return value === undefined ? "?" : PRIMITIVES[value.case];
}

/** Texts stand in quotes, so that blanks and the empty one can be seen. */
function primitiveText(scalar: Scalar, { value }: Primitive): string {
  if (value?.case === "stringValue") return JSON.stringify(value.value.slice(0, MAX_CELL));
  return decoder.decode(bytesOf((write) => writeScalar(scalar, write)));
}

function binaryText(bytes: Uint8Array): string {
  const size = count(bytes.length, "byte");
  if (bytes.length === 0) return size;
  return `${size}: ${bytes.subarray(0, MAX_HEX_BYTES).toHex()}${bytes.length > MAX_HEX_BYTES ? "…" : ""}`;
}

function count(number: number | bigint, one: string, many = `${one}s`): string {
  return `${number} ${Number(number) === 1 ? one : many}`;
}

/** Direction, name, type and description of every variable. */
export function interfaceTable(parts: readonly [string, VariableMap | undefined][]): string {
  const byName = (map: VariableMap | undefined) =>
    sorted(new Map((map?.variables ?? []).map(({ key, value }) => [key, value])));
  const rows = parts.flatMap(([direction, map]) =>
    byName(map).map(([key, value]) => [
      direction,
      variablePlace(key),
      cut(typeText(value?.type)),
      cut(value?.description ?? ""),
    ])
  );
  if (rows.length === 0) return "no variables\n";
  return table(["DIRECTION", "VARIABLE", "TYPE", "DESCRIPTION"], rows);
}

/** A line for each difference; nothing for none. */
export function differencesTable(found: readonly Difference[], [a, b]: readonly [string, string]): string {
  if (found.length === 0) return "";
  const cell = (json: Json | undefined) => json === undefined ? "absent" : cut(jsonText(json, plainQuotes));
  return table(["PATH", a, b], found.map((each) => [each.path, cell(each.a), cell(each.b)]));
}

/** An error field by field, its message whole and last. */
export function errorTable({ error }: ErrorDocument): string {
  if (error === undefined) return "no error\n";
  const rows = [
    ["code", shown(error.code)],
    ["kind", enumText("ContainerError.Kind", error.kind).toUpperCase()],
    ["origin", enumText("ExecutionError.ErrorKind", error.origin).toUpperCase()],
  ];
  const message = error.message.replaceAll("\t", "    ").split("\n").map(shown).join(`\n${" ".repeat(9)}`);
  return `${
    [...rows, ["message", message]].map(([name = "", text]) => `${name.padEnd(9)}${text}`).join("\n")
  }\n`;
}

/** Columns as wide as their widest cell; a column without any content is left out. */
function table(titles: readonly string[], rows: readonly string[][]): string {
  const cells = rows.map((row) => row.map(shown));
  const used = titles.map((_, at) => at).filter((at) => cells.some((row) => row[at] !== ""));
  const widths = used.map((at) =>
    cells.reduce((most, row) => Math.max(most, length(row[at]!)), titles[at]!.length)
  );
  const line = (row: readonly string[]) =>
    used.map((at, column) => row[at]! + " ".repeat(widths[column]! - length(row[at]!))).join(GAP).trimEnd();
  return `${[titles, ...cells].map(line).join("\n")}\n`;
}

function length(text: string): number {
  return [...text].length;
}

function cut(text: string): string {
  const characters = [...text.slice(0, 2 * MAX_CELL + 2)];
  return characters.length > MAX_CELL ? `${characters.slice(0, MAX_CELL - 1).join("")}…` : text;
}
