/**
 * Flyte's documents in protobuf's JSON form, by the published .proto files and protobufjs: a second opinion beside the program's own
 * codec.
 * @module
 */
import protobuf from "protobufjs";
import { readProtos } from "../../scripts/gen_schema.ts";

const root = readProtos();

/** Messages that always show these fields, whether they are set or not. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  ".flyteidl2.core.BlobType": ["format", "dimensionality"],
  ".flyteidl2.core.ContainerError": ["code", "message", "kind", "origin"],
};

/** A union's type follows from its variable's, and says nothing more. */
const HIDDEN = new Set([".flyteidl2.core.Union.type"]);

type Fields = Record<string, unknown>;

/** Messages that have a JSON form of their own. */
const SPECIAL: Readonly<Record<string, (message: Fields) => unknown>> = {
  ".google.protobuf.Timestamp": ({ seconds, nanos }) => {
    const text = new Date(Number(seconds ?? 0) * 1000).toISOString().slice(0, 19);
    const fraction = nanos ? `.${String(nanos).padStart(9, "0")}`.replace(/0+$/, "") : "";
    return `${text}${fraction}Z`;
  },
  ".google.protobuf.Duration": ({ seconds, nanos }) => `${Number(seconds ?? 0) + Number(nanos ?? 0) / 1e9}s`,
  ".google.protobuf.Struct": ({ fields }) => fields ?? {},
  ".google.protobuf.ListValue": ({ values }) => values ?? [],
  ".google.protobuf.Value": (message) => "null_value" in message ? null : Object.values(message)[0],
};

/** @throws Error where the bytes are no such message */
export function decodeJson(name: "LiteralMap" | "ErrorDocument", bytes: Uint8Array): unknown {
  const type = root.lookupType(`flyteidl2.core.${name}`);
  return messageJson(type, type.decode(bytes) as unknown as Fields);
}

function messageJson(type: protobuf.Type, message: Fields): unknown {
  const special = SPECIAL[type.fullName];
  const out: Fields = {};
  for (const field of type.fieldsArray) {
    if (HIDDEN.has(field.fullName)) continue;
    const shown = SHOWN[type.fullName]?.includes(field.name) ?? false;
    if (!shown && !isSet(message, field)) continue;
    const name = special ? field.name : field.name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    out[name] = fieldJson(field, message[field.name]);
  }
  return special ? special(out) : out;
}

/** The prototype has defaults, and every list and map is there, if empty. */
function isSet(message: Fields, field: protobuf.Field): boolean {
  if (!Object.hasOwn(message, field.name)) return false;
  const value = message[field.name];
  return !(field.repeated || field.map) || Object.keys(value as object).length > 0;
}

function fieldJson(field: protobuf.Field, value: unknown): unknown {
  if (field.map) {
    return Object.fromEntries(
      Object.entries(value as Fields).map(([key, one]) => [key, valueJson(field, one)]),
    );
  }
  return field.repeated ? (value as unknown[]).map((one) => valueJson(field, one)) : valueJson(field, value);
}

function valueJson(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType, type } = field;
  if (resolvedType instanceof protobuf.Type) return messageJson(resolvedType, value as Fields);
  if (resolvedType instanceof protobuf.Enum) return resolvedType.valuesById[value as number] ?? value;
  if (type === "bytes") return (value as Uint8Array).toBase64();
  return type === "int64" ? String(value) : value;
}
