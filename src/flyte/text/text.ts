/**
 * A value as the text of a variable's file, and back, byte for byte as the original's Go does it.
 * @module
 */
import { cannot, CopilotError } from "../../errors.ts";
import { parseStruct, structJson, writeJson } from "./go_json.ts";
import { formatFloat, parseBoolean, parseFloat64, parseInteger } from "./go_number.ts";
import { durationNs, formatDuration, formatTimestamp, parseDuration, parseTimestamp } from "./go_time.ts";
import { quoted } from "../plan/names.ts";
import { type ByteSink, TextBytes, writeText } from "./text_bytes.ts";
import { type Primitive, type Scalar, SimpleType, type Struct } from "../types.ts";
import { trim } from "../../text/trim.ts";

/** The tag of binary values that come from a file. */
const BINARY_TAG = "msgpack";

const BYTE_ORDER_MARK = "\ufeff";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Writes the file of a value that is no file itself.
 *
 * Floats have no exponent, times are RFC 3339 in UTC, durations are Go's `1h2m3.5s`, none and an unset primitive are
 * `null`, a Struct is JSON in one line with sorted keys, an error is its message, binary is as it is.
 *
 * @throws CopilotError `input` for a scalar without a value, one that refers to data elsewhere, and a Struct that JSON
 * cannot hold
 */
export function writeScalar(scalar: Scalar, write: ByteSink): void {
  const { value } = scalar;
  switch (value?.case) {
    case "primitive":
      return writeText(primitiveText(value.value), write);
    case "noneType":
      return writeText("null", write);
    case "binary":
      return write(value.value.value);
    case "error":
      return writeText(value.value.message, write);
    case "generic":
      return writeStruct(value.value, write);
    default:
      throw cannot("write a scalar as text", { input: `it holds ${value?.case ?? "no value"}` });
  }
}

function writeStruct(struct: Struct, write: ByteSink): void {
  const out = new TextBytes(write);
  writeJson(structJson(struct, () => "the Struct"), out);
  out.end();
}

function primitiveText({ value }: Primitive): string {
  switch (value?.case) {
    case undefined:
      return "null";
    case "integer":
    case "boolean":
      return String(value.value);
    case "floatValue":
      return formatFloat(value.value);
    case "stringValue":
      return value.value;
    case "datetime":
      return formatTimestamp(value.value).text;
    case "duration":
      return formatDuration(durationNs(value.value));
  }
}

/**
 * What a file's bytes are as a value of a simple type. Blanks, tabs and newlines around a text do not count; the bytes
 * of binary are taken as they are (the original trims them too, and so corrupts them).
 *
 * @param simple a value of SimpleType
 * @param bytes the whole file; its size is the caller's to bound
 * @throws CopilotError `output` with the text and what was wanted; the caller adds the variable's name
 */
export function parseScalar(simple: number, bytes: Uint8Array): Scalar {
  if (simple === SimpleType.NONE) return { value: { case: "noneType", value: {} } };
  if (simple === SimpleType.BINARY) {
    return { value: { case: "binary", value: { value: bytes, tag: BINARY_TAG } } };
  }
  const text = trim(decodeText(bytes), " \t\n");
  if (simple === SimpleType.ERROR) {
    return { value: { case: "error", value: { failedNodeId: "", message: text } } };
  }
  if (simple === SimpleType.STRUCT) return { value: { case: "generic", value: readStruct(text) } };
  return { value: { case: "primitive", value: { value: parsePrimitive(simple, text) } } };
}

function parsePrimitive(simple: number, text: string): NonNullable<Primitive["value"]> {
  switch (simple) {
    case SimpleType.INTEGER: {
      const value = parseInteger(text);
      if (typeof value === "bigint") return { case: "integer", value };
      throw refused(text, `an integer${outOfRange(value)}`, "decimal digits within 64 bits, such as -42");
    }
    case SimpleType.FLOAT: {
      const value = parseFloat64(text);
      if (typeof value === "number") return { case: "floatValue", value };
      throw refused(text, `a float${outOfRange(value)}`, "a number such as 2.5, 1e-3, inf or nan");
    }
    case SimpleType.STRING:
      return { case: "stringValue", value: text };
    case SimpleType.BOOLEAN: {
      const value = parseBoolean(text);
      if (value !== undefined) return { case: "boolean", value };
      throw refused(text, "a boolean", "1, t, T, true, TRUE, True, 0, f, F, false, FALSE or False");
    }
    case SimpleType.DATETIME: {
      const value = parseTimestamp(text);
      if (value !== undefined) return { case: "datetime", value };
      throw refused(text, "a datetime", "RFC 3339 with a zone, such as 2024-02-29T12:30:45Z");
    }
    case SimpleType.DURATION: {
      const value = parseDuration(text);
      if (value !== undefined) return { case: "duration", value };
      throw refused(text, "a duration", "numbers with units h, m, s, ms, us or ns, such as 1h2m3.5s");
    }
    default:
      throw cannot(`read a value of type ${simple}`, { output: "no simple type has that number" });
  }
}

function outOfRange(fault: "syntax" | "range"): string {
  return fault === "range" ? ": out of range" : "";
}

function readStruct(text: string) {
  try {
    return parseStruct(withoutMark(text));
  } catch (thrown) {
    throw refused(text, `a Struct: ${(thrown as Error).message}`, 'a JSON object such as {"a": 1}');
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw refused(lenient.decode(bytes), "text: it contains invalid UTF-8", "UTF-8");
  }
}

/** A text without the byte order mark that some editors and languages put in front. */
export function withoutMark(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

function refused(text: string, as: string, wanted: string): CopilotError {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? " behind a byte order mark" : "";
  return new CopilotError(
    "output",
    `Cannot read ${quoted(withoutMark(text))}${mark} as ${as}, wanted ${wanted}`,
  );
}
