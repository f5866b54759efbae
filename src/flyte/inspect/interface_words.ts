/**
 * `copilot interface`: words to the base64 that `--interface` takes, and back.
 * @module
 */
import { cannot } from "../../errors.ts";
import { decode, encode } from "../codec/idl.ts";
import type { VariableMap } from "../types.ts";
import { guessKind } from "./mod.ts";
import { shown } from "./shown.ts";
import { parseVariable, typeWord } from "./type_words.ts";

/** The TypedInterface in base64. @throws CopilotError `usage` for a word that is none, or a name that stands twice */
export function encodeWords(inputs: readonly string[], outputs: readonly string[]): string {
  const message = { ...(inputs.length > 0 && { inputs: variables(inputs) }), outputs: variables(outputs) };
  return encode("TypedInterface", message).toBase64();
}

function variables(words: readonly string[]): VariableMap {
  const found = new Set<string>();
  const entries = words.map((word) => {
    const { name, type } = parseVariable(word);
    if (found.has(name)) {
      throw cannot("use", word, { usage: `"${name}" is there already, expected each name once` });
    }
    found.add(name);
    return { key: name, value: { type, description: name } };
  });
  return { variables: entries };
}

/** The words of one interface. */
export interface InterfaceWords {
  inputs: readonly string[];
  outputs: readonly string[];
}

/**
 * Reads a TypedInterface, or a VariableMap as `--input-interface` takes it.
 *
 * @throws CopilotError `input` for a text that is neither
 */
export function decodeWords(base64: string): InterfaceWords {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(base64);
  } catch {
    throw cannot("read the interface", {
      input: "it is no base64, expected what --interface takes, or NAME:TYPE",
    });
  }
  if (bytes.length === 0) return { inputs: [], outputs: [] };
  // Whatever fits both is what --interface takes.
  if (isInterface(bytes)) {
    const { inputs, outputs } = decode("TypedInterface", bytes);
    return { inputs: words(inputs), outputs: words(outputs) };
  }
  return { inputs: words(decode("VariableMap", bytes)), outputs: [] };
}

function isInterface(bytes: Uint8Array): boolean {
  try {
    return guessKind("", bytes) !== "variables";
  } catch {
    return true;
  }
}

function words(map: VariableMap | undefined): string[] {
  return (map?.variables ?? []).map(({ key, value }) => shown(`${key}:${typeWord(value?.type ?? {})}`));
}
