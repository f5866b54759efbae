/**
 * What error.pb says, and what a task's `_ERROR` file says.
 * @module
 */
import { type ErrorDocument, ErrorKind, ErrorOrigin } from "../types.ts";

/** Bytes of a message in error.pb; Flyte keeps errors in its database and shows the beginning. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** Bytes of a code, which is a word: a task's own may be anything. */
export const MAX_CODE_BYTES = 256;

const USER_ERROR = "User Error: ";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Why a run failed, from where that was seen to the error document. */
export interface RunFailure {
  /** A word to group errors by, such as `OutputUploadFailed`; absent means the command's. */
  code?: string;
  message: string;
  /** A value of ErrorKind; RECOVERABLE where nothing is said, as in the original. */
  kind?: number;
  /** A value of ErrorOrigin; SYSTEM where nothing is said: only what is known to be the task's own fault is USER. */
  origin?: number;
  /** Seen from outside the run: where outputs.pb exists, an earlier life of this container has finished the upload. */
  skipIfOutputsExist?: boolean;
}

/**
 * An error as the message of error.pb. Halves of surrogate pairs become U+FFFD, since no protobuf may hold them, a
 * message over {@linkcode MAX_MESSAGE_BYTES} is cut with a note that says so, and a code over {@linkcode MAX_CODE_BYTES} without one.
 */
export function toErrorDocument(failure: RunFailure & { code: string }): ErrorDocument {
  const { code, message, kind = ErrorKind.RECOVERABLE, origin = ErrorOrigin.SYSTEM } = failure;
  const [shownCode] = cut(code, MAX_CODE_BYTES);
  const [shownMessage, more] = cut(message, MAX_MESSAGE_BYTES);
  const note = more === 0 ? "" : `\n[${more} more bytes cut]`;
  return { error: { code: shownCode, message: shownMessage + note, kind, origin } };
}

/** A text cut between characters, and how many bytes were. */
function cut(text: string, maxBytes: number): [text: string, moreBytes: number] {
  const bytes = encoder.encode(text);
  if (bytes.length <= maxBytes) return [text.toWellFormed(), 0];
  let end = maxBytes;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return [decoder.decode(bytes.subarray(0, end)), bytes.length - end];
}

/**
 * What a task's `_ERROR` file says: a JSON object with a text `message` is a structured error, anything else is the
 * message itself. Bytes that are not UTF-8 become U+FFFD, so that no error is lost.
 *
 * A structured file may have `code`, `kind` (`NON_RECOVERABLE` or `RECOVERABLE`) and `origin` (`USER`, `SYSTEM` or
 * `UNKNOWN`); what is missing or of another form is left at RECOVERABLE and USER.
 *
 * @param bytes the whole file; its size is the caller's to bound
 */
export function parseTaskError(bytes: Uint8Array): RunFailure {
  const text = decoder.decode(bytes);
  const declared = structured(text);
  const message = USER_ERROR + (declared === undefined ? text : declared.message);
  const code = declared?.code;
  return {
    message,
    ...(typeof code === "string" && code !== "" ? { code } : {}),
    kind: valueOf(ErrorKind, declared?.kind) ?? ErrorKind.RECOVERABLE,
    origin: valueOf(ErrorOrigin, declared?.origin) ?? ErrorOrigin.USER,
  };
}

/** A structured error as it stands in the file: only `message` is checked. */
interface Declared {
  message: string;
  code?: unknown;
  kind?: unknown;
  origin?: unknown;
}

function structured(text: string): Declared | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    return undefined;
  }
  if (typeof document !== "object" || document === null || !("message" in document)) return undefined;
  return typeof document.message === "string" ? document as Declared : undefined;
}

/** The number of an enum's name, in capitals or not. */
function valueOf(names: Readonly<Record<string, number>>, name: unknown): number | undefined {
  if (typeof name !== "string") return undefined;
  const key = name.toUpperCase();
  return Object.hasOwn(names, key) ? names[key] : undefined;
}
