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
import { CopilotError, explain } from "../../errors.ts";
import { type Json, sortedKeys } from "../text/go_json.ts";
import { decode, type Documents } from "../codec/idl.ts";
import { type Difference, differences } from "./differences.ts";
import { type Reference, references, type ReferenceSizes } from "./references.ts";
import { differencesTable, errorTable, interfaceTable, literalsTable } from "./table.ts";
import { enumText } from "./type_text.ts";
import { messageJson } from "../text/proto_json.ts";
import type { LiteralMap, TypedInterface, VariableMap } from "../types.ts";
import { yamlText } from "../text/yaml_text.ts";

/** What can be shown: inputs.pb or outputs.pb, one offloaded literal, error.pb, a TypedInterface, a VariableMap. */
export type DocumentKind = "literals" | "literal" | "error" | "interface" | "variables";

/** How it is shown. */
export type InspectFormat = "json" | "yaml" | "table";

const MESSAGES = {
  literals: "LiteralMap",
  literal: "Literal",
  error: "ErrorDocument",
  interface: "TypedInterface",
  variables: "VariableMap",
} as const satisfies Record<DocumentKind, keyof Documents>;

/** File names that say what is inside. */
const NAMES: ReadonlyMap<string, DocumentKind> = new Map([
  ["inputs.pb", "literals"],
  ["outputs.pb", "literals"],
  ["error.pb", "error"],
  ["errors.pb", "error"],
]);

/** Kinds that nest so much that other bytes hardly ever look like them; the others are tried after these. */
const TELLING: readonly DocumentKind[] = ["literals", "interface", "variables"];
const OTHERS: readonly DocumentKind[] = ["literal", "error"];
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f]/;
/** Characters that a terminal obeys instead of showing, besides those that JSON escapes itself. */
const HIDDEN = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Which document a file is, by its name (`inputs.pb`, `error.pb`), else by its bytes.
 *
 * @param name a path or URI
 * @param bytes a message, or one as base64 text
 * @throws CopilotError `input` where the bytes fit several kinds, or none
 */
export function guessKind(name: string, bytes: Uint8Array): DocumentKind {
  const named = NAMES.get(nameOf(name));
  if (named !== undefined) return named;
  const found = kindsThatFit(bytes);
  const telling = found.filter((kind) => TELLING.includes(kind));
  if (telling.length > 1) throw unclear(name, `it could be ${telling.join(" or ")}`);
  if (found.length === 0) throw unclear(name, "it fits no document of Flyte");
  return telling[0] ?? found[0]!;
}

function nameOf(uri: string): string {
  return uri.slice(uri.lastIndexOf("/") + 1);
}

/** The kinds whose message the bytes, or what they stand for in base64, could be. */
function kindsThatFit(bytes: Uint8Array): DocumentKind[] {
  const decoded = base64Of(bytes);
  const kinds = [...TELLING, ...OTHERS];
  const found = decoded === undefined ? [] : kinds.filter((kind) => fits(kind, decoded));
  return found.length > 0 ? found : kinds.filter((kind) => fits(kind, bytes));
}

function unclear(name: string, why: string): CopilotError {
  return new CopilotError("input", {
    action: "tell what",
    object: name,
    via: "is",
    detail: `${why}, give its kind with --kind`,
  });
}

/** The bytes that a text in base64 stands for; undefined where it is none. */
function base64Of(bytes: Uint8Array): Uint8Array | undefined {
  const text = new TextDecoder().decode(bytes);
  if (!BASE64.test(text.trimEnd())) return undefined;
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}

/** Whether bytes are a message of a kind without a field unknown to it, and with names that people could have given. */
function fits(kind: DocumentKind, bytes: Uint8Array): boolean {
  try {
    const message = decode(MESSAGES[kind], bytes);
    return !hasUnknown(message) && namesIn(kind, message).every((name) => !CONTROL.test(name));
  } catch {
    return false;
  }
}

function hasUnknown(value: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  if ("unknown" in value) return true;
  return (value instanceof Map ? [...value.values()] : Object.values(value)).some(hasUnknown);
}

function namesIn(kind: DocumentKind, message: Documents[keyof Documents]): string[] {
  const keys = (map: VariableMap | undefined) => map?.variables.map(({ key }) => key) ?? [];
  switch (kind) {
    case "literals":
      return [...(message as LiteralMap).literals.keys()];
    case "variables":
      return keys(message as VariableMap);
    case "interface": {
      const { inputs, outputs } = message as TypedInterface;
      return [...keys(inputs), ...keys(outputs)];
    }
    case "error": {
      const { error } = message as Documents["ErrorDocument"];
      return [error?.code ?? "", error?.message ?? ""];
    }
    case "literal":
      return [];
  }
}

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

/** A document with what it is and what it is called. */
export interface NamedDocument {
  name: string;
  bytes: Uint8Array;
  kind: DocumentKind;
}

/** What the references of a document name. @throws CopilotError as {@linkcode render} */
export function referencesIn(bytes: Uint8Array, kind: DocumentKind): Reference[] {
  if (kind === "literals") return references([...(messageOf(bytes, kind) as LiteralMap).literals.values()]);
  return kind === "literal" ? references([messageOf(bytes, kind) as Documents["Literal"]]) : [];
}

/**
 * Holds that a document is of the kind that somebody says: protobuf reads the bytes of one message as many another.
 *
 * @throws CopilotError `input` where other kinds fit and this one does not; it names the document and what it looks like
 */
export function assertKind({ name, bytes, kind }: NamedDocument): void {
  const looks = kindsThatFit(bytes);
  if (looks.length > 0 && !looks.includes(kind)) throw wrongKind(name, kind, looks);
}

function wrongKind(
  name: string,
  kind: DocumentKind,
  looks: readonly DocumentKind[],
  cause?: unknown,
): CopilotError {
  const like = looks.map((each) => `${each} (${MESSAGES[each]})`).join(" or ") || "no document of Flyte";
  const why = cause === undefined ? "" : `: ${explain(cause)}`;
  return new CopilotError("input", {
    action: "show",
    object: name || "the document",
    via: `as ${kind} (${MESSAGES[kind]})`,
    detail: `it looks like ${like}${why}`,
    cause,
  });
}

function messageOf(bytes: Uint8Array, kind: DocumentKind, name = ""): Documents[keyof Documents] {
  const decoded = base64Of(bytes);
  const raw = decoded !== undefined && fits(kind, decoded) ? decoded : bytes;
  try {
    return decode(MESSAGES[kind], raw);
  } catch (thrown) {
    throw wrongKind(name, kind, kindsThatFit(bytes), thrown);
  }
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
