/**
 * Documents of Flyte made readable: what a file of bytes is, and its content as JSON, YAML or a table. This is what other programs
 * may import; it needs no permission.
 *
 * @example
 * ```ts
 * import assert from "assert";
 * import { guessKind, render } from "./mod.ts";
 *
 * // What inputs.pb holds for an input n of 5.
 * const bytes = Uint8Array.fromBase64("CgsKAW4SBgoECgIIBQ==");
 * assert.equal(guessKind("inputs.pb", bytes), "literals");
 * assert.equal(
 *   render(bytes, "literals", "table", { name: "inputs.pb" }),
 *   "INPUT  TYPE     VALUE\nn      integer  5\n",
 * );
 * ```
 * @module
 */
import { type Json, sortedKeys } from "../text/go_json.ts";
import type { Documents } from "../codec/idl.ts";
import type { DocumentKind, InspectFormat } from "../modes.ts";
import { type Difference, differences } from "./differences.ts";
import { messageOf, MESSAGES, type NamedDocument, nameOf } from "./kinds.ts";
import { type Reference, references, type ReferenceSizes } from "./references.ts";
import { differencesTable, errorTable, interfaceTable, literalsTable } from "./table.ts";
import { enumText } from "./type_text.ts";
import { messageJson } from "../text/proto_json.ts";
import type { LiteralMap, TypedInterface, VariableMap } from "../types.ts";
import { yamlText } from "../text/yaml_text.ts";

export type { DocumentKind, InspectFormat };
export { assertKind, guessKind, type NamedDocument } from "./kinds.ts";

/** Characters that a terminal obeys instead of showing, besides those that JSON escapes itself. */
const HIDDEN = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** What is shown besides the message itself. */
export interface Surroundings {
  /** Path or URI, which tells inputs from outputs. */
  name?: string;
  /** What the document's references hold, by URI. */
  sizes?: ReferenceSizes;
}

/**
 * A document as text, with a newline at its end.
 *
 * `json` and `yaml` are protobuf's JSON with sorted keys, and `kind` beside the message's own fields: 64-bit integers are strings,
 * unknown fields stand under `@unknown` in base64. `table` is for people: long values are cut, long lists are counted.
 *
 * @param bytes a message, or one as base64 text
 * @throws CopilotError `input` for bytes that are no such message, saying what they look like
 */
export function render(
  bytes: Uint8Array,
  kind: DocumentKind,
  format: InspectFormat,
  around: Surroundings = {},
): string {
  const message = messageOf(bytes, kind, around.name);
  if (format === "table") return tableOf(kind, message, around);
  return jsonText(documentJson(kind, message, around), format);
}

/** A document as JSON: its kind, its fields, and the sizes where they are known. */
function documentJson(
  kind: DocumentKind,
  message: Documents[keyof Documents],
  { sizes }: Surroundings,
): Map<string, Json> {
  const json = messageJson(MESSAGES[kind], message) as Map<string, Json>;
  if (kind === "error") completeError(json, message as Documents["ErrorDocument"]);
  const out = new Map<string, Json>([["kind", kind], ...json]);
  if (sizes !== undefined) out.set("sizes", sizesJson(sizes));
  return out;
}

/** The first values of enumerations are left out of protobuf's JSON, and here they are what somebody wants to know. */
function completeError(json: Map<string, Json>, { error }: Documents["ErrorDocument"]): void {
  if (error === undefined) return;
  const fields = json.get("error") as Map<string, Json>;
  fields.set("kind", enumText("ContainerError.Kind", error.kind).toUpperCase());
  fields.set("origin", enumText("ExecutionError.ErrorKind", error.origin).toUpperCase());
}

function sizesJson(sizes: ReferenceSizes): Map<string, Json> {
  return new Map([...sizes].map(([uri, size]) => [
    uri,
    size === null
      ? null
      : new Map<string, Json>([["objects", BigInt(size.objects)], ["bytes", BigInt(size.bytes)]]),
  ]));
}

/**
 * Several documents as one text: a table after the other, each below its name, or one object of them by name.
 *
 * @param documents by name
 */
export function renderAll(
  documents: ReadonlyMap<string, { bytes: Uint8Array; kind: DocumentKind; around: Surroundings }>,
  format: InspectFormat,
): string {
  if (format === "table") {
    return [...documents].map(([name, { bytes, kind, around }]) =>
      `${name}\n${render(bytes, kind, format, around)}`
    )
      .join("\n");
  }
  const json = [...documents].map(([name, { bytes, kind, around }]) =>
    [name, documentJson(kind, messageOf(bytes, kind, name), around)] as const
  );
  return jsonText(new Map(json), format);
}

/** What differs between two documents. @throws CopilotError as {@linkcode render} */
export function differencesOf(one: NamedDocument, other: NamedDocument): Difference[] {
  const json = ({ bytes, kind, name }: NamedDocument) => documentJson(kind, messageOf(bytes, kind, name), {});
  return differences(json(one), json(other));
}

/**
 * Differences as text: a table with a line for each, nothing for none; or JSON or YAML of them.
 *
 * @param names what the two sides are called
 */
export function renderDifferences(
  found: readonly Difference[],
  names: readonly [string, string],
  format: InspectFormat,
): string {
  if (format === "table") return differencesTable(found, names);
  const json = found.map(({ path, a, b }) =>
    new Map<string, Json>([["path", path], ["a", a ?? null], ["b", b ?? null]])
  );
  return jsonText(new Map<string, Json>([["kind", "differences"], ["differences", json]]), format);
}

/** What the references of a document name. @throws CopilotError as {@linkcode render} */
export function referencesIn(bytes: Uint8Array, kind: DocumentKind): Reference[] {
  if (kind === "literals") return references([...(messageOf(bytes, kind) as LiteralMap).literals.values()]);
  return kind === "literal" ? references([messageOf(bytes, kind) as Documents["Literal"]]) : [];
}

function tableOf(
  kind: DocumentKind,
  message: Documents[keyof Documents],
  { name = "", sizes }: Surroundings,
): string {
  switch (kind) {
    case "literals":
      return literalsTable((message as LiteralMap).literals, { title: titleOf(name), sizes });
    case "literal":
      return literalsTable(new Map([["value", message as Documents["Literal"]]]), {
        title: "VARIABLE",
        sizes,
      });
    case "error":
      return errorTable(message as Documents["ErrorDocument"]);
    case "interface": {
      const { inputs, outputs } = message as TypedInterface;
      return interfaceTable([["input", inputs], ["output", outputs]]);
    }
    case "variables":
      return interfaceTable([["", message as VariableMap]]);
  }
}

/** What the variables of a LiteralMap are. */
function titleOf(name: string): string {
  return { "inputs.pb": "INPUT", "outputs.pb": "OUTPUT" }[nameOf(name)] ?? "VARIABLE";
}

function jsonText(json: Json, format: "json" | "yaml"): string {
  const text = format === "yaml" ? yamlText(json) : prettyJson(json, "");
  return text.endsWith("\n") ? text : `${text}\n`;
}

function prettyJson(value: Json, indent: string): string {
  if (typeof value === "string") return shownText(value);
  const inner = `${indent}  `;
  if (Array.isArray(value) && value.length > 0) {
    return `[\n${value.map((item) => inner + prettyJson(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (value instanceof Map && value.size > 0) {
    const line = (key: string) => `${inner}${shownText(key)}: ${prettyJson(value.get(key)!, inner)}`;
    const lines = sortedKeys(value.keys()).map(line);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  if (Array.isArray(value)) return "[]";
  if (value instanceof Map) return "{}";
  return Object.is(value, -0) ? "-0.0" : String(value);
}

/** A text in quotes in which a terminal finds nothing to obey. */
function shownText(text: string): string {
  return JSON.stringify(text).replace(
    HIDDEN,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
