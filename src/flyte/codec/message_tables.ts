/**
 * The tables of schema.ts made ready for the codec in idl.ts.
 * @module
 */
import { cannot } from "../../errors.ts";
import { type Field, MESSAGES } from "./schema.ts";
import type { Message } from "../types.ts";

/**
 * Messages inside messages that are followed: 200 literals, each at most three messages from the next (a map's entry,
 * or a scalar and its union), and what the last one holds. Twice as many still fit the stack, in a Worker too. Flyte's
 * Python SDKs stop at 100 messages.
 */
export const MAX_NESTING = 640;

/** A oneof as types.ts has it. */
export type Choice = { case: string; value: unknown };

/** Any message, by the names of its fields. */
export type Fields = Message & Record<string, unknown>;

/** A field with what the codec looks up for it. */
export interface PlannedField extends Field {
  /** How it stands on the wire. */
  wire: number;
  /** The plan of its message, where it is one, or a map of them. */
  message: Plan | undefined;
  /** The plan of one entry, where it is a map: a message with a key and a value. */
  entry: Plan | undefined;
}

/** A message's fields, by number too. */
export interface Plan {
  fields: readonly PlannedField[];
  byNumber: readonly (PlannedField | undefined)[];
}

const VARINT = 0;
const FIXED64 = 1;
/** The wire type of everything that has a length. */
export const DELIMITED = 2;
const WIRE_TYPES: Readonly<Record<string, number>> = {
  int32: VARINT,
  int64: VARINT,
  uint64: VARINT,
  bool: VARINT,
  enum: VARINT,
  double: FIXED64,
};

const NO_BYTES = new Uint8Array(0);
/** One for all maps without entries: a map costs more than all else of a small literal. */
const NO_ENTRIES: ReadonlyMap<string, unknown> = new Map();

const PLANS = new Map<string, Plan>();
for (const name of Object.keys(MESSAGES)) PLANS.set(name, { fields: [], byNumber: [] });
for (const [name, fields] of Object.entries(MESSAGES)) Object.assign(planOf(name), planned(fields));

function planned(fields: readonly Field[]): Plan {
  const byNumber: PlannedField[] = [];
  for (const field of fields) {
    const message = PLANS.get(field.type);
    const entry = field.map ? entryPlan(field.type) : undefined;
    const wire = field.map ? DELIMITED : WIRE_TYPES[field.type] ?? DELIMITED;
    byNumber[field.no] = { ...field, wire, message, entry };
  }
  return { fields: byNumber.filter((field) => field !== undefined), byNumber };
}

function entryPlan(type: string): Plan {
  return planned([{ no: 1, name: "key", type: "string" }, { no: 2, name: "value", type }]);
}

/** The plan of a message of schema.ts. */
export function planOf(message: string): Plan {
  const found = PLANS.get(message);
  if (found === undefined) {
    throw cannot("find message", message, { internal: "not in the schema" });
  }
  return found;
}

/** The value of a field that is not on the wire; undefined for messages, whose absence is told apart. */
function zero(field: Field): unknown {
  if (field.map) return NO_ENTRIES;
  if (field.repeated) return [];
  switch (field.type) {
    case "string":
      return "";
    case "bytes":
      return NO_BYTES;
    case "bool":
      return false;
    case "int64":
    case "uint64":
      return 0n;
    case "int32":
    case "enum":
    case "double":
      return 0;
    default:
      return undefined;
  }
}

/** A message of which nothing is on the wire. */
export function empty(plan: Plan): Fields {
  const message: Record<string, unknown> = {};
  for (const field of plan.fields) {
    const value = field.oneof === undefined ? zero(field) : undefined;
    if (value !== undefined) message[field.name] = value;
  }
  return message;
}

/** Zero values of fields that do not track presence stay off the wire; -0 is not zero. */
export function isZero(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return value === undefined || value === "" || value === false || value === 0n || Object.is(value, 0);
}
