/**
 * Documents as they are given on the command line, before anything looks into them.
 * @module
 */
import type { InspectSource } from "../run/inspect.ts";
import type { Files } from "../system/mod.ts";
import { dropAllRights } from "./mod.ts";

/** More than any document that is worth reading. */
const MAX_STDIN_BYTES = 256 * 1024 * 1024;

/** What {@linkcode sourceOf} takes from the machine. */
export interface Given {
  files: Pick<Files, "stat">;
  /** Standard input to its end, which is at most so many bytes away. */
  readStdin(maxBytes: number): Uint8Array;
}

/** A document as it is given: at standard input, in base64, or by its place. What is there as a file is meant as one. */
export function sourceOf(document: string, { files, readStdin }: Given): InspectSource {
  if (document === "-") return { name: "-", bytes: readStdin(MAX_STDIN_BYTES) };
  const isBase64 = document.length >= 4 && document.length % 4 === 0 &&
    /^[A-Za-z0-9+/]+={0,2}$/.test(document);
  if (!isBase64 || files.stat(document) !== null) return { name: document };
  // A short one may as well be a name that somebody has mistyped.
  const name = document.length > 40 ? "the base64" : `${document} (taken for base64: there is no such file)`;
  return { name, bytes: Uint8Array.fromBase64(document) };
}

/** `copilot interface` as src/cli has it. */
export interface InterfaceRequest {
  /** As `NAME:TYPE`. */
  inputs: readonly string[];
  /** Outputs as `NAME:TYPE`, or one base64. */
  words: readonly string[];
}

/**
 * Types to base64 or back, with a line feed at its end. Nothing of it needs the machine, so that nothing of the machine is in
 * reach of a base64: the process gives up every right first.
 *
 * @throws CopilotError `usage` for a word that is none, `input` for a base64 that is no interface
 */
export async function interfaceText({ inputs, words }: InterfaceRequest): Promise<string> {
  const { decodeWords, encodeWords } = await import("../flyte/inspect/interface_words.ts");
  dropAllRights();
  const isBase64 = inputs.length === 0 && words.length === 1 && !words[0]!.includes(":");
  if (!isBase64) return `${encodeWords(inputs, words)}\n`;
  const { inputs: given, outputs } = decodeWords(words[0]!);
  return `${[...given.flatMap((word) => ["--input", word]), ...outputs].map(forShell).join(" ")}\n`;
}

/** A word that can be typed again; brackets are left as they are, which no shell minds where no file fits them. */
function forShell(word: string): string {
  return /^[\w:.,?|+/[\]{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
