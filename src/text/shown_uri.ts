/**
 * How messages show a URI. Pure.
 * @module
 */
import { before } from "./trim.ts";

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;
/** Longer URIs are shown up to here. */
const SHOWN_CHARACTERS = 1024;
/** What nothing can stand in that must not show. Every file of a run passes here several times, and nearly all are such. */
const HARMLESS = /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/)?[^@:?#\\]*$/;

/** Schemes whose authority is `CONTAINER@HOST`: those of Azure's drivers. */
const NAMES_CONTAINER = /^(?:abfss?|wasbs?|az)$/;

/** Whether what stands before an `@` in a scheme's authority is a container, and no user. @param scheme lower case */
export function namesContainer(scheme: string): boolean {
  return NAMES_CONTAINER.test(scheme);
}

/**
 * A URI as messages may show it, and the only way in which they do: without user and password, without what stands in its query and
 * fragment, which may be a signature, and not longer than 1,024 characters. That holds for every scheme, since nobody can tell what
 * somebody has put there, and for texts that are no URI: what looks like a password in one is one. A path without a scheme
 * keeps its `?` and `#`.
 */
export function shownUri(text: string): string {
  if (text.length <= SHOWN_CHARACTERS && HARMLESS.test(text)) return text;
  const match = SCHEME.exec(text);
  if (match === null) {
    if (!isPath(text)) return shortened(`***@${withoutUser(text)}`);
    return shortened(text.startsWith("//") ? shownPath(text) : text.split("/").map(shownPath).join("/"));
  }
  const rest = text.slice(match[0].length);
  const authority = before(rest, "/?#\\");
  if (!hasPort(authority)) return shortened(match[0] + withoutUser(rest));
  const behind = rest.slice(authority.length);
  const path = before(behind, "?#");
  const mark = behind[path.length];
  const namesNoHost = authority === "" || match[1]!.toLowerCase() === "file";
  const shown = shownAuthority(match[1]!, authority) + (namesNoHost ? shownPath(path) : path);
  return shortened(match[0] + shown) +
    (mark === undefined ? "" : `${mark}***`);
}

/** Whether a text without a scheme can only be a path or a name: in an address a password stands between a colon and an `@`. */
function isPath(text: string): boolean {
  const colon = text.indexOf(":");
  return /^[./]/.test(text) || colon < 0 || text.lastIndexOf("@") < colon;
}

/** Whether what follows the last colon of a host is a port, or nothing does; else it is the start of a password. */
function hasPort(authority: string): boolean {
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  return host.endsWith("]") || /^[0-9]*$/.test(host.slice(host.lastIndexOf(":") + 1)) || !host.includes(":");
}

/** A path: where somebody has written an address with one slash too few or too many, it holds user and password. */
function shownPath(path: string): string {
  const colon = path.indexOf(":");
  const at = path.lastIndexOf("@");
  return colon >= 0 && at > colon
    ? `${path.slice(0, path.lastIndexOf("/", colon) + 1)}***${path.slice(at)}`
    : path;
}

function shownAuthority(scheme: string, authority: string): string {
  const at = authority.lastIndexOf("@");
  if (at < 0) return authority;
  const user = authority.slice(0, at);
  const isContainer = namesContainer(scheme.toLowerCase()) && !user.includes(":");
  return isContainer ? authority : authority.slice(at + 1);
}

/** What stands behind the last `@` of a text that no parser takes apart, query and fragment left out. */
function withoutUser(text: string): string {
  const at = text.lastIndexOf("@");
  if (at < 0) return `${before(text, ":?#")}:***`;
  return before(text.slice(at + 1), "?#");
}

function shortened(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}
