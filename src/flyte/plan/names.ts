/**
 * Rules for names that come from others (variables, keys of maps, segments of object keys) and become paths.
 *
 * A name is taken only if it is one plain component of a path, the same on disk as in the message: nothing is cleaned,
 * escaped or shortened, so two different names never become one path.
 * @module
 */
import { CopilotError, type ErrorCode } from "../../errors.ts";
import { before, trimEnd } from "../../text/trim.ts";

/** Stores take keys of about 1,024 bytes; presigned URLs have a few thousand characters. */
const MAX_URI_CHARACTERS = 16_384;

/** Bytes of one component of a path, as Linux limits them. */
const MAX_NAME_BYTES = 255;

/** Bytes of a whole path, without the closing NUL, as Linux limits them. */
const MAX_PATH_BYTES = 4095;

/** Characters of a name that a message quotes. */
const SHOWN_CHARACTERS = 120;

/** Characters of a place (`files[2].x`) that a message shows. */
const SHOWN_PLACE = 500;

/** A name that is readable in a place such as `files[2].x` without quotes. */
const PLAIN = /^[\p{L}_][\p{L}\p{N}_-]*$/u;

const encoder = new TextEncoder();

/** Whether the text is longer than `maxBytes` in UTF-8. Encodes only when its length leaves a doubt. */
function exceeds(text: string, maxBytes: number): boolean {
  if (text.length * 3 <= maxBytes) return false;
  return text.length > maxBytes || encoder.encode(text).length > maxBytes;
}

/**
 * Why a name cannot be one component of a path, as the end of a sentence; null where it can.
 *
 * `..` is named wherever it is a component, since it is what an attack looks like.
 */
export function nameFault(name: string): string | null {
  if (name === "") return "is empty";
  if (name === ".") return 'is "."';
  if (name === ".." || (name.includes("..") && name.split("/").includes(".."))) return 'has a ".." component';
  if (name.includes("/")) return "has a slash";
  if (name.includes("\0")) return "has a NUL byte";
  if (!name.isWellFormed()) return "is not valid Unicode";
  if (exceeds(name, MAX_NAME_BYTES)) return `is longer than ${MAX_NAME_BYTES} bytes`;
  return null;
}

/** A name in quotes, with control characters escaped, cut where it is long. */
export function quoted(name: string): string {
  const cut = name.length > SHOWN_CHARACTERS;
  return JSON.stringify(cut ? `${name.slice(0, SHOWN_CHARACTERS)}…` : name);
}

/**
 * An error about one variable: `Cannot <action> variable <place>: <fault>`.
 *
 * @param variable the place, as {@linkcode variablePlace} and its like give it
 */
export function variableError(
  code: ErrorCode,
  { action, variable, fault, cause }: VariableFault,
): CopilotError {
  return new CopilotError(code, { subject: subjectOf(action, variable), detail: fault, cause });
}

/** What {@linkcode variableError} takes. */
interface VariableFault {
  action: string;
  variable: string;
  fault: string;
  cause?: unknown;
}

/** The subject of an error, {@linkcode about} one variable: `upload variable files[2]`. */
export function subjectOf(action: string, variable: string): string {
  const place = variable.length > SHOWN_PLACE ? `${variable.slice(0, SHOWN_PLACE)}…` : variable;
  return `${action} variable ${place}`;
}

// deno-lint-ignore no-control-regex -- they are what is looked for
const CONTROL = /[\0-\x1f\x7f]/;

/**
 * Refuses a URI that is none, has control characters, or is longer than any store or web server takes: it would be in memory many times over.
 *
 * @throws CopilotError `input` that names the variable
 */
export function assertUri(uri: string, { action, variable }: { action: string; variable: string }): void {
  if (uri === "") throw variableError("input", { action, variable, fault: "its URI is empty" });
  if (uri.length > MAX_URI_CHARACTERS) {
    throw variableError("input", {
      action,
      variable,
      fault: `its URI has ${uri.length} characters, expected at most ${MAX_URI_CHARACTERS}`,
    });
  }
  const control = CONTROL.exec(uri)?.[0];
  if (control === undefined || !uri.includes("://")) return;
  const code = control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  throw variableError("input", {
    action,
    variable,
    fault: `its URI has the control character U+${code}, which goes to no server`,
  });
}

/**
 * Refuses a name that cannot be one component of a path.
 *
 * @param name a variable's name, a map's key or a blob's file name
 * @param variable the place it belongs to, as {@linkcode variablePlace} and its like give it
 * @throws CopilotError `path` that names the variable and the name
 */
export function assertName(name: string, variable: string): void {
  const fault = nameFault(name);
  if (fault === null) return;
  throw variableError("path", {
    action: "use",
    variable,
    fault: `the name ${quoted(name)} ${fault}, wanted a plain file name`,
  });
}

/**
 * Refuses a path that the kernel would.
 *
 * @throws CopilotError `path` that names the variable
 */
export function assertPathLength(path: string, variable: string): void {
  if (!exceeds(path, MAX_PATH_BYTES)) return;
  throw variableError("path", {
    action: "use",
    variable,
    fault: `its path is longer than ${MAX_PATH_BYTES} bytes`,
  });
}

/** How a variable is called in messages: bare where that is readable, else in quotes. */
export function variablePlace(name: string): string {
  return PLAIN.test(name) ? name : quoted(name);
}

/** How a map's value is called in messages: `m.key` or `m["odd key"]`. */
export function keyPlace(parent: string, key: string): string {
  return PLAIN.test(key) ? `${parent}.${key}` : `${parent}[${quoted(key)}]`;
}

/** How a list's element is called in messages: `l[2]`. */
export function elementPlace(parent: string, index: number): string {
  return `${parent}[${index}]`;
}

/**
 * The last component of a URI, as it is written: neither decoded nor checked. Slashes at the end do not count; the query
 * and fragment of http and https do not belong to it.
 *
 * @returns the host or bucket where there is nothing behind it, the empty text where there is nothing at all
 */
export function basenameOfUri(uri: string): string {
  const address = /^https?:\/\//i.test(uri) ? before(uri, "?#") : uri;
  const trimmed = trimEnd(address, "/");
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}
