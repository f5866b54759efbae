/**
 * Which document some bytes are: protobuf does not say, and reads the bytes of one message as many another.
 * @module
 */
import { CopilotError, explain } from "../../errors.ts";
import { decode, type Documents } from "../codec/idl.ts";
import type { DocumentKind } from "../modes.ts";
import type { LiteralMap, TypedInterface, VariableMap } from "../types.ts";

/** A document with what it is and what it is called. */
export interface NamedDocument {
  name: string;
  bytes: Uint8Array;
  kind: DocumentKind;
}

/** The message of each kind. */
export const MESSAGES = {
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

/** The last part of a path or URI. */
export function nameOf(uri: string): string {
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

/** Decodes a document. @throws CopilotError `input` for bytes that are no such message, saying what they look like */
export function messageOf(bytes: Uint8Array, kind: DocumentKind, name = ""): Documents[keyof Documents] {
  const decoded = base64Of(bytes);
  const raw = decoded !== undefined && fits(kind, decoded) ? decoded : bytes;
  try {
    return decode(MESSAGES[kind], raw);
  } catch (thrown) {
    throw wrongKind(name, kind, kindsThatFit(bytes), thrown);
  }
}
