/**
 * URIs of stored things, parsed once.
 *
 * Invariants:
 * - A key is kept as it is written: `%20`, `#` and `?` are characters of the key (`s3://b/a%20b#1` has the key `a%20b#1`).
 * - A key never starts with `/` unless the URI has two: `s3://b//k` has the key `/k`.
 * - `file:///a/b` and `/a/b` and `a/b` are the same scheme; their key is the path, absolute (`/a/b`) or relative (`a/b`).
 * - http and https keep everything behind the host, query included, as key: `https://h/a?b=1` has the key `a?b=1`.
 * - `abfs://c@account.dfs.core.windows.net/k` and `abfs://c/k` both have container `c`; the first has `account.dfs…` as host.
 * @module
 */
import { cannot } from "../errors.ts";
import { namesContainer } from "../text/shown_uri.ts";

/** A URI in its parts. `format` gives the text back. */
export interface StoreUri {
  /** Lower case: `s3`, `gs`, `abfs`, `abfss`, `file`, `mem`, `http`, `https`, `redis`, … */
  scheme: string;
  /** Bucket, container, or `host[:port]` of http; empty for files. */
  container: string;
  /** The account's host where the URI names one (Azure's schemes), else empty. */
  host: string;
  key: string;
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;
/** A URL with a signature has some 2,000 characters; a key has at most 1,024 bytes, percent-encoded three times as many. */
const MAX_CHARACTERS = 32 * 1024;

/**
 * Parses a URI or a bare path.
 *
 * @param what the flag or variable that it came from, for the message
 * @throws CopilotError `input` for an empty text, one of more than 32,768 characters, a NUL byte, blanks or control characters in
 *   a bucket's or host's name, or a store URI without one
 */
export function parseUri(text: string, what: string): StoreUri {
  if (text === "") {
    throw cannot(`use ${what}`, { input: "it is empty, expected a URI or a path" });
  }
  const refuse = (why: string) => cannot(`use ${what}`, text, { input: why });
  if (text.length > MAX_CHARACTERS) {
    throw refuse(`it has ${text.length} characters, expected at most ${MAX_CHARACTERS}`);
  }
  if (text.includes("\0")) throw refuse("it has a NUL byte");
  const match = SCHEME.exec(text);
  if (match === null) return { scheme: "file", container: "", host: "", key: text };
  const scheme = match[1]!.toLowerCase();
  const rest = text.slice(match[0].length);
  if (scheme === "file") {
    const path = rest.startsWith("localhost/") ? rest.slice("localhost".length) : rest;
    if (path === "") throw refuse("it has no path");
    return { scheme, container: "", host: "", key: path };
  }
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const key = slash < 0 ? "" : rest.slice(slash + 1);
  const at = namesContainer(scheme) ? authority.indexOf("@") : -1;
  const container = at < 0 ? authority : authority.slice(0, at);
  if (container === "") throw refuse("it names no bucket or host");
  if (/[\0-\x20\x7f]/.test(authority)) throw refuse("its bucket or host has a blank or a control character");
  return { scheme, container, host: at < 0 ? "" : authority.slice(at + 1), key };
}

/** The text of a URI; `parseUri` of it gives the same parts. */
export function formatUri(uri: StoreUri): string {
  if (uri.scheme === "file") return uri.key.startsWith("/") ? `file://${uri.key}` : uri.key;
  return `${uri.scheme}://${uri.container}${uri.host === "" ? "" : `@${uri.host}`}/${uri.key}`;
}

/** The URI of a name below another, with exactly one slash between. */
export function joinKey(prefix: string, name: string): string {
  if (prefix === "") return name;
  return prefix.endsWith("/") ? `${prefix}${name}` : `${prefix}/${name}`;
}
