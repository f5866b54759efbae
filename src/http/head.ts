/**
 * The head of an HTTP/1.1 message: bytes to status and headers, and headers to how the body is framed.
 *
 * Strict, because two readers that understand one head differently can be played against each other: bare line feeds,
 * folded lines, two lengths that differ and a length beside chunks are errors. (RFC 9112, sections 2.2, 5 and 6.3.)
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";

/** The largest head that is read, in bytes. */
export const MAX_HEAD_BYTES = 64 * 1024;

/** Header fields of a reply. Names are matched whatever their case; a repeated field has its values joined by `, `. */
export class HttpHeaders {
  readonly #fields: ReadonlyMap<string, string>;

  /** @param fields names in lower case */
  constructor(fields: ReadonlyMap<string, string>) {
    this.#fields = fields;
  }

  /** The value of a field; undefined where there is none. */
  get(name: string): string | undefined {
    return this.#fields.get(name) ?? this.#fields.get(name.toLowerCase());
  }

  /** All fields, names in lower case. */
  entries(): IterableIterator<[string, string]> {
    return this.#fields.entries();
  }
}

/** What stands before a reply's body. */
export interface Head {
  status: number;
  /** The minor version: HTTP/1.0 or HTTP/1.1. */
  minor: 0 | 1;
  headers: HttpHeaders;
}

/** How a reply's body ends. */
export type Framing = { kind: "length"; length: number } | { kind: "chunked" } | { kind: "close" };

const decoder = new TextDecoder();
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: |$)/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function malformed(detail: string): CopilotError {
  return new CopilotError("network", `Malformed reply: ${detail}`);
}

/**
 * Where a head ends.
 *
 * @param from the first byte that has not been looked at before; at least `start`
 * @returns the offset behind the empty line, or -1 when there is none before `end`
 * @throws CopilotError `network` for a line feed without carriage return
 */
export function headEnd(bytes: Uint8Array, start: number, from: number, end: number): number {
  for (let at = bytes.indexOf(10, from); at >= 0 && at < end; at = bytes.indexOf(10, at + 1)) {
    if (at === start || bytes[at - 1] !== 13) throw malformed("a line ends without carriage return");
    if (at >= start + 3 && bytes[at - 2] === 10) return at + 1;
  }
  return -1;
}

/**
 * Parses a head.
 *
 * @param bytes from the status line to the empty line, both included
 * @throws CopilotError `network` for anything but a well-formed HTTP/1.x head
 */
export function parseHead(bytes: Uint8Array): Head {
  const text = decoder.decode(bytes);
  let at = text.indexOf("\r\n");
  const line = STATUS_LINE.exec(text.slice(0, at));
  if (line === null) {
    throw malformed(
      `expected an HTTP/1.1 status line, got ${JSON.stringify(text.slice(0, Math.min(at, 40)))}`,
    );
  }
  const fields = new Map<string, string>();
  for (at += 2;;) {
    const next = text.indexOf("\r\n", at);
    if (next <= at) break;
    const colon = text.indexOf(":", at);
    const name = colon < 0 || colon > next ? "" : text.slice(at, colon);
    if (!FIELD_NAME.test(name)) {
      throw malformed(`header line ${JSON.stringify(text.slice(at, Math.min(next, at + 40)))}`);
    }
    const value = text.slice(colon + 1, next).trim();
    if (value.includes("\r") || value.includes("\0")) {
      throw malformed(`control characters in header "${name}"`);
    }
    const key = name.toLowerCase();
    const earlier = fields.get(key);
    fields.set(key, earlier === undefined ? value : `${earlier}, ${value}`);
    at = next + 2;
  }
  return { status: Number(line[2]), minor: line[1] === "1" ? 1 : 0, headers: new HttpHeaders(fields) };
}

/**
 * How the body behind a head ends.
 *
 * @param method of the request
 * @throws CopilotError `network` where the head contradicts itself
 */
export function framing(method: string, head: Head): Framing {
  const { status, headers } = head;
  if (method === "HEAD" || status === 204 || status === 304) return { kind: "length", length: 0 };
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== undefined) {
    if (length !== undefined) throw malformed("both Content-Length and Transfer-Encoding");
    if (head.minor === 0 || coding.toLowerCase() !== "chunked") {
      throw malformed(`Transfer-Encoding ${JSON.stringify(coding)}`);
    }
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "close" };
  return { kind: "length", length: parseLength(length) };
}

/** A Content-Length; the same number several times over is one (RFC 9110, section 8.6). */
function parseLength(text: string): number {
  let value = text;
  if (text.includes(",")) {
    const values = new Set(text.split(",").map((one) => one.trim()));
    value = values.size === 1 ? [...values][0]! : "";
  }
  const length = /^[0-9]{1,16}$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(length)) throw malformed(`Content-Length ${JSON.stringify(text)}`);
  return length;
}

/** Whether the connection can carry another request after this reply. */
export function keepsAlive(head: Head): boolean {
  const connection = head.headers.get("connection");
  if (connection === undefined) return head.minor === 1;
  const options = connection.toLowerCase().split(",").map((option) => option.trim());
  return head.minor === 1 ? !options.includes("close") : options.includes("keep-alive");
}

/** A request's head before it is bytes. */
export interface RequestHead {
  method: string;
  /** Request target, percent-encoded. */
  target: string;
  host: string;
  headers: readonly (readonly [string, string])[];
  /** Bytes of the body; undefined for a request without one. */
  length: number | undefined;
}

const BAD_TARGET = /[\0-\x20\x7f-\uffff]/;
const BAD_VALUE = /[\0\r\n]/;

/**
 * A request's head as text, the empty line included.
 *
 * @throws CopilotError `internal` where a part would break out of its line
 */
export function formatHead(head: RequestHead): string {
  if (BAD_TARGET.test(head.target)) {
    throw cannot("send a request", { internal: "its path has characters that must be percent-encoded" });
  }
  let text = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.host}\r\n`;
  // By index: taking each pair apart by its iterator makes half of what a request leaves to the garbage collector here.
  for (const header of head.headers) {
    if (BAD_VALUE.test(header[1])) {
      throw cannot("send a request", { internal: `header "${header[0]}" has a line break` });
    }
    text += `${header[0]}: ${header[1]}\r\n`;
  }
  if (text.length > MAX_HEAD_BYTES) {
    throw cannot("send a request", { config: `its headers are longer than ${MAX_HEAD_BYTES} bytes` });
  }
  return head.length === undefined ? `${text}\r\n` : `${text}Content-Length: ${head.length}\r\n\r\n`;
}

/**
 * Milliseconds that a `Retry-After` asks to wait, or undefined.
 *
 * @param value seconds or an HTTP date
 * @param nowMs milliseconds since 1970
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]{1,6}(\.[0-9]+)?$/.test(value)) return Math.round(Number(value) * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Milliseconds between modification and reply from which on the date of modification tells versions apart. */
const SETTLED_MS = 60_000;

/**
 * A reply's `Last-Modified`, where it lies well before the reply's own date; else undefined. Within one second an object may change
 * twice, and the two clocks may differ (RFC 9110, section 8.8.2.2).
 */
export function settledModified(headers: HttpHeaders): string | undefined {
  const modified = headers.get("last-modified");
  const ageMs = Date.parse(headers.get("date") ?? "") - Date.parse(modified ?? "");
  return ageMs >= SETTLED_MS ? modified : undefined;
}

/** Where a body lies in its object: `bytes 0-9/100`. Null for anything else. */
export function contentRange(value: string | undefined): { start: number; end: number; size: number } | null {
  const match = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/.exec(value ?? "");
  if (match === null) return null;
  const [start, last, size] = [Number(match[1]), Number(match[2]), Number(match[3])];
  return start <= last && last < size ? { start, end: last + 1, size } : null;
}
