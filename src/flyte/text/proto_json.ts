/**
 * Messages as protobuf's JSON: what every protobuf library prints and reads.
 * @module
 */
import { formatFloat } from "./go_number.ts";
import { formatTimestamp } from "./go_time.ts";
import type { Json } from "./go_json.ts";
import { type Fields, planOf } from "../codec/message_tables.ts";
import { ENUMS, type Field } from "../codec/schema.ts";
import type { Duration, Struct, StructList, StructValue, Timestamp } from "../types.ts";

/** Where the raw bytes of unknown fields stand, in base64; no field of Flyte's is called so. */
const UNKNOWN = "@unknown";

/** Messages that protobuf's JSON has a form of their own for. */
const WELL_KNOWN: Readonly<Record<string, (message: Fields) => Json>> = {
  Timestamp: (message) => timestampJson(message as unknown as Timestamp),
  Duration: (message) => durationJson(message as unknown as Duration),
  Struct: (message) => structJson(message as unknown as Struct),
};

/**
 * A message as protobuf's JSON: field names in camelCase, 64-bit integers as strings, bytes in base64, enums by name,
 * fields that are not set left out. Unknown fields stand under `@unknown`, which readers must be told to ignore.
 *
 * @param name the message's name in flyteidl2.core
 * @param message as types.ts has it
 */
export function messageJson(name: string, message: object): Json {
  const fields = message as Fields;
  const wellKnown = WELL_KNOWN[name];
  if (wellKnown !== undefined) return wellKnown(fields);
  const out = new Map<string, Json>();
  for (const field of planOf(name).fields) {
    const json = fieldJson(field, fields);
    if (json !== undefined) out.set(field.name, json);
  }
  if (fields.unknown !== undefined) out.set(UNKNOWN, fields.unknown.map((raw) => raw.toBase64()));
  return out;
}

/** Undefined for a field that is not set. */
function fieldJson(field: Field, message: Fields): Json | undefined {
  if (field.oneof !== undefined) {
    const choice = message[field.oneof] as { case: string; value: unknown } | undefined;
    return choice?.case === field.name ? valueJson(field, choice.value) : undefined;
  }
  const value = message[field.name];
  if (field.map) {
    const entries = [...value as Map<string, unknown>];
    if (entries.length === 0) return undefined;
    return new Map(entries.map(([key, item]) => [key, valueJson(field, item)]));
  }
  if (field.repeated) {
    const items = value as unknown[];
    return items.length === 0 ? undefined : items.map((item) => valueJson(field, item));
  }
  const absent = value === undefined || value === "" || value === 0n || Object.is(value, 0) ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0);
  return absent ? undefined : valueJson(field, value);
}

function valueJson(field: Field, value: unknown): Json {
  switch (field.type) {
    case "string":
    case "bool":
    case "int32":
      return value as Json;
    case "int64":
    case "uint64":
      return String(value);
    case "double":
      return doubleJson(value as number);
    case "bytes":
      return (value as Uint8Array).toBase64();
    case "enum":
      return ENUMS[field.enum ?? ""]?.[value as number] ?? value as number;
    default:
      return messageJson(field.type, value as object);
  }
}

function doubleJson(value: number): Json {
  return Number.isFinite(value) ? value : formatFloat(value).replace("+", "").replace("Inf", "Infinity");
}

function timestampJson(timestamp: Timestamp): string {
  const whole = (digits: string) => digits.padEnd(Math.ceil(digits.length / 3) * 3, "0");
  return formatTimestamp(timestamp).text.replace(/\.(\d+)Z$/, (_, digits: string) => `.${whole(digits)}Z`);
}

function durationJson({ seconds, nanos }: Duration): string {
  const sign = seconds < 0n || nanos < 0 ? "-" : "";
  return `${sign}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`;
}

/** No digits, or 3, 6 or 9 of them. */
function fraction(nanos: number): string {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  return `.${digits.replace(/(?:000){1,2}$/, "")}`;
}

function structJson(struct: Struct): Json {
  return new Map([...struct.fields].map(([key, value]) => [key, structValueJson(value)]));
}

function structValueJson({ kind }: StructValue): Json {
  switch (kind?.case) {
    case "numberValue":
      return doubleJson(kind.value);
    case "stringValue":
    case "boolValue":
      return kind.value;
    case "structValue":
      return structJson(kind.value);
    case "listValue":
      return listJson(kind.value);
    default:
      return null;
  }
}

function listJson({ values }: StructList): Json {
  return values.map(structValueJson);
}
