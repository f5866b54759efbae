/**
 * Documents of Flyte made readable: what a file of bytes is, and its content as JSON, YAML or a table.
 * @module
 */
import { CopilotError } from "../../errors.ts";
import { type Json, sortedKeys } from "../text/go_json.ts";
import { decode, type Documents } from "../codec/idl.ts";
import { errorTable, interfaceTable, literalsTable } from "./table.ts";
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
const BASE64_KINDS: readonly DocumentKind[] = ["interface", "variables"];

const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f]/;
/** Characters that a terminal obeys instead of showing, besides those that JSON escapes itself. */
const HIDDEN = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Which document a file is, by its name (`inputs.pb`, `error.pb`), else by its bytes.
 *
 * @param name a path or URI
 * @param bytes a message, or a TypedInterface or VariableMap as base64 text
 * @throws CopilotError `input` where the bytes fit several kinds, or none
 */
export function guessKind(name: string, bytes: Uint8Array): DocumentKind {
  const named = NAMES.get(name.slice(name.lastIndexOf("/") + 1));
  if (named !== undefined) return named;
  const text = base64Of(bytes);
  const raw = text ?? bytes;
  const telling = (text === undefined ? TELLING : BASE64_KINDS).filter((kind) => fits(kind, raw));
  const found = telling[0] ??
    (["literal", "error"] as const).find((kind) => text === undefined && fits(kind, raw));
  if (telling.length > 1) throw unclear(name, `it could be ${telling.join(" or ")}`);
  if (found === undefined) throw unclear(name, "it fits no document of Flyte");
  return found;
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

/**
 * A document as text, with a newline at its end.
 *
 * `json` and `yaml` are protobuf's JSON with sorted keys: 64-bit integers are strings, unknown fields stand under
 * `@unknown` in base64. `table` is for people: long values are cut, long lists are counted.
 *
 * @param bytes a message, or a TypedInterface or VariableMap as base64 text
 * @throws CopilotError `input` for bytes that are no such message
 */
export function render(bytes: Uint8Array, kind: DocumentKind, format: InspectFormat): string {
  const raw = BASE64_KINDS.includes(kind) ? base64Of(bytes) ?? bytes : bytes;
  const message = decode(MESSAGES[kind], raw);
  if (format === "table") return tableOf(kind, message);
  const json = messageJson(MESSAGES[kind], message);
  return format === "yaml" ? yamlText(json) : `${prettyJson(json, "")}\n`;
}

function tableOf(kind: DocumentKind, message: Documents[keyof Documents]): string {
  switch (kind) {
    case "literals":
      return literalsTable((message as LiteralMap).literals);
    case "literal":
      return literalsTable(new Map([["value", message as Documents["Literal"]]]));
    case "error":
      return errorTable(message as Documents["ErrorDocument"]);
    case "interface": {
      const { inputs, outputs } = message as TypedInterface;
      return interfaceTable([["input", inputs], ["output", outputs]]);
    }
    case "variables":
      return interfaceTable([["input", message as VariableMap]]);
  }
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
