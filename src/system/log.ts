/**
 * Events for operators: one line of JSON each on stderr, or readable text on a terminal.
 * @module
 */
import { shownUri } from "../text/shown_uri.ts";
import type { Clock } from "./mod.ts";

/** As in logrus, which Flyte's `--logger.level` counts: 0 panic, 1 fatal, 2 error, 3 warning, 4 info, 5 debug, 6 trace. */
export type Level = "error" | "warning" | "info" | "debug" | "trace";

/** What an event may carry. Never a secret. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where events go. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warning(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
}

/** What `--logger.level` and `--logger.formatter.type` ask for; `auto` where nobody said. */
export interface LogSettings {
  /** 0 to 6 as logrus counts; `auto` is 3 (warning), on a terminal 4 (info). */
  level: number | "auto";
  /** `auto` is JSON, on a terminal text. */
  format: "json" | "text" | "auto";
}

/** What a log works with. */
export interface LogOptions extends LogSettings {
  /** Writes text to stderr as it is; a line comes with its line feed. */
  write(text: string): void;
  clock: Clock;
  /** Whether somebody reads along: readable lines and progress in place. */
  isTerminal?: boolean;
  /** Values that no line may show; those shorter than 4 characters are not looked for. */
  secrets?: readonly string[];
}

/** A log with what only a run and a terminal want. */
export interface ConsoleLog extends Log {
  trace(message: string, fields?: Fields): void;
  /** Whether events of a level are shown: what costs something to find out is not found out for nobody. */
  shows(level: Level): boolean;
  /** The closing line of a run: an info event that also the default level, warning, lets through. */
  summary(message: string, fields?: Fields): void;
  /** Replaces the last line of a terminal; elsewhere nothing. The next event, or an empty text, removes it. */
  progress(text: string): void;
}

const LEVELS: Readonly<Record<Level, number>> = { error: 2, warning: 3, info: 4, debug: 5, trace: 6 };
const MIN_SECRET_CHARS = 4;
/** A line of a many-line secret (a key file) is looked for by itself from this length on. */
const MIN_SECRET_LINE_CHARS = 16;
const ERASE_LINE = "\r\x1b[K";

/**
 * Makes a log.
 *
 * Lines of JSON have `ts` (RFC 3339), `level`, `msg`, then the event's fields. Control characters never reach the
 * terminal as such, so a hostile file name cannot move its cursor.
 */
export function createLog(options: LogOptions): ConsoleLog {
  const { clock, write, isTerminal = false } = options;
  const threshold = options.level === "auto" ? (isTerminal ? LEVELS.info : LEVELS.warning) : options.level;
  const format = options.format === "auto" ? (isTerminal ? "text" : "json") : options.format;
  const render = format === "json" ? jsonLine : textLine;
  const mask = createMasker(options.secrets ?? []);
  let inPlace = false;
  const emit = (level: Level, needed: number) => (message: string, fields: Fields = {}) => {
    if (threshold < needed) return;
    const shown = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, shownValue(value)]),
    );
    const line = mask(render({ ts: new Date(clock.nowMs()).toISOString(), level, message, fields: shown }));
    write(`${inPlace ? ERASE_LINE : ""}${line}\n`);
    inPlace = false;
  };
  return {
    error: emit("error", LEVELS.error),
    warning: emit("warning", LEVELS.warning),
    info: emit("info", LEVELS.info),
    debug: emit("debug", LEVELS.debug),
    trace: emit("trace", LEVELS.trace),
    shows: (level) => threshold >= LEVELS[level],
    summary: emit("info", LEVELS.warning),
    progress(text) {
      if (!isTerminal || threshold < LEVELS.warning || (text === "" && !inPlace)) return;
      write(ERASE_LINE + mask(printable(text)));
      inPlace = text !== "";
    },
  };
}

interface LogEvent {
  ts: string;
  level: Level;
  message: string;
  fields: Fields;
}

/** Characters of one field of an event. */
const MAX_FIELD = 16 * 1024;

/** A field as it is shown: a URI as messages have it, a long text cut. */
function shownValue(value: Fields[string]): Fields[string] {
  if (typeof value !== "string") return value;
  if (/^[a-z][a-z0-9+.-]*:\/\/\S*$/i.test(value)) return shownUri(value);
  return value.length <= MAX_FIELD
    ? value
    : `${value.slice(0, MAX_FIELD)}… [${value.length - MAX_FIELD} more]`;
}

const OWN_FIELDS: ReadonlySet<string> = new Set(["ts", "level", "msg"]);

function jsonLine({ ts, level, message, fields }: LogEvent): string {
  const object: Record<string, unknown> = { ts, level, msg: message };
  for (const [name, value] of Object.entries(fields)) {
    object[OWN_FIELDS.has(name) ? `fields.${name}` : name] =
      typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  }
  return JSON.stringify(object).replace(REST_OF_CONTROLS, unicodeEscape);
}

function textLine({ ts, level, message, fields }: LogEvent): string {
  let line = `${ts.slice(11, 19)} ${level.padEnd(7)} ${printable(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = String(value);
    line += ` ${name}=${
      text === "" || /[\s"=]/.test(text) ? printable(JSON.stringify(text)) : printable(text)
    }`;
  }
  return line;
}

/** Control characters that JSON.stringify leaves as they are: DEL, C1, the separators of lines, bidirectional overrides. */
const REST_OF_CONTROLS = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
// deno-lint-ignore no-control-regex -- they are what is looked for
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The text with its control characters written out, on one line: what strangers wrote, fit for a terminal. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (char) => char === "\n" ? "\\n" : unicodeEscape(char));
}

/**
 * A function that replaces known secrets by `***`: as they are, as they look within JSON and within a URL, and line by
 * line; and users with a password in addresses. For log lines, error documents and whatever else leaves the process.
 *
 * @param secrets their values; those shorter than 4 characters would hit ordinary words and are left out
 */
export function createMasker(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    for (const part of [secret, ...linesOf(secret)]) {
      if (part.length < MIN_SECRET_CHARS) continue;
      for (const form of [part, JSON.stringify(part).slice(1, -1), percentEncoded(part)]) forms.add(form);
    }
  }
  if (forms.size === 0) return withoutUsers;
  // Longest first, or a secret that begins like another would leave the other's rest.
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    longestFirst.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"),
    "g",
  );
  return (text) => withoutUsers(text.replace(pattern, "***"));
}

/** A text without the users and passwords of the addresses in it, which whoever wrote it may not know to be secrets. */
function withoutUsers(text: string): string {
  return text.replace(/:\/\/[^\s/@"'<>:]*:[^\s/@"'<>]*@/g, "://***@");
}

function linesOf(secret: string): string[] {
  return secret.split(/\r?\n|\\n/).map((line) => line.trim()).filter((line) =>
    line.length >= MIN_SECRET_LINE_CHARS
  );
}

function percentEncoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text; // a lone surrogate has no encoding
  }
}
