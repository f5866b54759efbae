/**
 * Where a request goes: scheme, host and port, parsed once and then passed around.
 * @module
 */
import { cannot } from "../errors.ts";

/** The server part of a URL. */
export interface Origin {
  /** TLS or not. */
  readonly secure: boolean;
  /** Lower case, IPv6 addresses without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** As the `Host` header has it: IPv6 in brackets, the scheme's own port left out. */
  readonly authority: string;
  /** `scheme://host:port`, the same for every spelling of one origin. */
  readonly key: string;
}

/** A URL in the parts that a request needs. */
export interface ParsedUrl {
  origin: Origin;
  /** Path and query, percent-encoded, ready to be sent; at least `/`. The fragment is left out: it is never sent. */
  path: string;
  /** The value of an `Authorization` header where the URL names a user. Never to be shown. */
  authorization?: string;
}

/** Characters that a request target cannot hold as they are. Everything else stays as it was written. */
const UNSENDABLE = /[\0-\x20"<>\\^`{|}\x7f-\u{10ffff}]/gu;

/** Makes an origin of its parts; `hostname` with or without brackets. */
export function makeOrigin(secure: boolean, hostname: string, port: number): Origin {
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const host = bare.includes(":") ? `[${bare}]` : bare;
  const authority = port === (secure ? 443 : 80) ? host : `${host}:${port}`;
  return { secure, hostname: bare, port, authority, key: `${secure ? "https" : "http"}://${host}:${port}` };
}

/**
 * Parses an absolute http or https URL. Path and query are kept as written, `..` and `//` included; only characters that
 * cannot be sent are percent-encoded.
 *
 * @param what the setting or thing that it came from, for the message, which never shows the URL's credentials
 * @throws CopilotError `config` for anything else
 */
export function parseHttpUrl(text: string, what: string): ParsedUrl {
  const match = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(text);
  let url: URL | null = null;
  try {
    url = match === null ? null : new URL(`${match[0].slice(0, match[0].length - match[2]!.length)}/`);
  } catch { /* said below */ }
  if (match === null || url === null || url.hostname === "") {
    throw cannot(`use ${what}`, text, { config: "not a URL, expected http://HOST[:PORT] or https://…" });
  }
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const rest = match[2]!.startsWith("/") ? match[2]! : `/${match[2]!}`;
  return {
    origin: makeOrigin(secure, url.hostname, port),
    path: rest.replace(UNSENDABLE, (character) => encodeURIComponent(character.toWellFormed())),
    ...(url.username === "" && url.password === ""
      ? {}
      : { authorization: basic(url.username, url.password) }),
  };
}

/** The value of a header for Basic authentication; both parts percent-encoded, as URLs hold them. */
function basic(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${decoded(username)}:${decoded(password)}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
