/**
 * The text of a flag to its value, by type, as Go's pflag reads it.
 * @module
 */
import { parseDurationMs } from "../flyte/text/durations.ts";
import { CopilotError, type ErrorCode } from "../errors.ts";
import type { Flag } from "./flag.ts";
import { suggestion } from "../config/suggest.ts";
import { trim } from "../text/trim.ts";

/** A value by the type of its flag: durations in milliseconds, quantities in bytes. */
export type FlagValue =
  | string
  | number
  | boolean
  | Uint8Array
  | readonly string[]
  | Readonly<Record<string, string>>;

/** Where a text came from. */
export interface Origin {
  /** As messages call it: `--timeout`, `the environment variable LOGGER.LEVEL`. */
  name: string;
  /** `usage` for what was typed or set, `config` for files. */
  code: ErrorCode;
}

/**
 * Reads one text.
 *
 * @throws CopilotError with the origin's code; names origin, value and what is accepted. A secret's value is not repeated
 */
export function parseValue(flag: Flag, text: string, origin: Origin): FlagValue {
  const refuse = (wanted: string): never => {
    const shown = flag.secret || text === "" ? "" : ` "${short(text)}"`;
    const what = text === "" ? "it is empty, " : "";
    throw new CopilotError(origin.code, {
      action: `use ${origin.name}${shown}`,
      detail: `${what}expected ${wanted}`,
    });
  };
  switch (flag.type) {
    case "string":
      return oneOf(flag, text, refuse);
    case "list":
      return [...new Set(text.split(",").map((part) => oneOf(flag, part.trim(), refuse)))];
    case "bool":
      return parseBool(text) ?? refuse("true or false");
    case "int":
    case "uint":
      if (flag.words !== undefined && Object.hasOwn(flag.words, text)) return flag.words[text]!;
      if (flag.words !== undefined && parseInteger(text, flag.type) === undefined) {
        const words = Object.keys(flag.words);
        return refuse(`a whole number or one of ${words.join(", ")}${suggestion(text, words)}`);
      }
      return parseInteger(text, flag.type) ?? refuse("a whole number");
    case "duration":
      return parseDurationMs(text) ?? refuse('a duration such as "1h0m0s", "90s" or "300ms"');
    case "bytesBase64":
      return parseBase64(text) ?? refuse("base64 in standard encoding, with padding");
    case "quantity":
      return parseQuantity(text) ?? refuse('bytes above 0 such as "67108864", "64Mi" or "1Gi"');
    case "stringArray":
      return [text];
    case "stringToString":
      return parsePairs(text, refuse);
    default:
      return isKlogValue(flag.type, text) ? text : refuse(KLOG_WANTED[flag.type]);
  }
}

/** Joins the values of a flag that was given several times: lists and maps grow, everything else is replaced. */
export function addValue(flag: Flag, earlier: FlagValue | undefined, value: FlagValue): FlagValue {
  if (earlier === undefined) return value;
  if (flag.type === "stringArray") return [...earlier as readonly string[], ...value as readonly string[]];
  if (flag.type === "stringToString") {
    return { ...earlier as Record<string, string>, ...value as Record<string, string> };
  }
  return value;
}

type Refuse = (wanted: string) => never;

function short(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function oneOf(flag: Flag, text: string, refuse: Refuse): string {
  const { values } = flag;
  if (values === undefined || flag.lenient || values.includes(text)) return text;
  const list = flag.type === "list" ? " (or several, separated by commas)" : "";
  return refuse(`one of ${values.join(", ")}${list}${suggestion(text, values)}`);
}

function parseBool(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  return undefined;
}

const INTEGER = /^[+-]?(0[xX](_?[0-9a-fA-F])+|0[bB](_?[01])+|0[oO](_?[0-7])+|0(_?[0-7])*|[1-9](_?[0-9])*)$/;

/** Go's ParseInt and ParseUint with base 0: decimal, 0x, 0b, 0o or 0 for octal, `_` between digits. */
function parseInteger(text: string, type: "int" | "uint"): number | undefined {
  if (!INTEGER.test(text) || (type === "uint" && /^[+-]/.test(text))) return undefined;
  const digits = text.replace(/^[+-]/, "").replaceAll("_", "").replace(/^0(?=[0-7])/, "0o");
  const magnitude = BigInt(digits);
  const negative = text.startsWith("-");
  const bound = type === "uint" ? (1n << 64n) - 1n : (1n << 63n) - (negative ? 0n : 1n);
  if (magnitude > bound) return undefined;
  return Number(negative ? -magnitude : magnitude);
}

/** Go's standard encoding: padded, line breaks ignored; blanks around it are cut off as pflag does. */
function parseBase64(text: string): Uint8Array | undefined {
  const digits = text.trim().replace(/[\r\n]/g, "");
  if (digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(digits)) return undefined;
  return Uint8Array.from(atob(digits), (char) => char.charCodeAt(0));
}

const QUANTITY_UNITS: Readonly<Record<string, number>> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

function parseQuantity(text: string): number | undefined {
  const match = /^(\d+)(Ki|Mi|Gi)?$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * QUANTITY_UNITS[match[2] ?? ""]!;
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

const PAIRS_WANTED =
  'key=value, or several separated by commas; a value with commas or quotes beside "=" is quoted as CSV: ' +
  '"key=a,b=c" with its quotes';

/**
 * pflag's stringToString: a text with one `=` is one pair, commas in its value included; with more it is a line of CSV.
 */
function parsePairs(text: string, refuse: Refuse): Record<string, string> {
  const signs = text.split("=").length - 1;
  const parts = signs <= 1 ? [trim(text, '"')] : parseCsvLine(text);
  if (parts === undefined) return refuse(PAIRS_WANTED);
  return Object.fromEntries(parts.map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? refuse(PAIRS_WANTED) : [part.slice(0, at), part.slice(at + 1)];
  }));
}

/** One record as Go's encoding/csv reads it; undefined for stray quotes, and for text behind a line break, which Go drops. */
function parseCsvLine(text: string): string[] | undefined {
  const fields: string[] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|(?:\r?\n)?$)/y;
  for (;;) {
    const match = field.exec(text);
    if (match === null) return undefined;
    const raw = match[1]!;
    fields.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (match[2] !== ",") return fields;
  }
}

const KLOG_WANTED = {
  severity: "INFO, WARNING, ERROR, FATAL or a number",
  Level: "a whole number",
  traceLocation: 'a place such as "file.go:42"',
  moduleSpec: 'patterns with levels such as "file=2,dir*=1"',
} as const;

function isKlogValue(type: keyof typeof KLOG_WANTED, text: string): boolean {
  switch (type) {
    case "severity":
      return /^(info|warning|error|fatal)$/i.test(text) || isInt32(text);
    case "Level":
      return isInt32(text);
    case "traceLocation":
      return text === "" || /^[^:.]*\.[^:]*:\+?0*[1-9]\d*$/.test(text);
    case "moduleSpec":
      return text.split(",").every((part) => part === "" || /^[^=]+=\+?\d+$/.test(part));
  }
}

function isInt32(text: string): boolean {
  return /^[+-]?\d+$/.test(text) && Math.abs(Number(text)) < 2 ** 31;
}
