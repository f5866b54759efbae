/**
 * One message becomes bytes, driven by the tables of message_tables.ts.
 * @module
 */
import { cannot } from "../../errors.ts";
import { BackwardWriter } from "./backward_writer.ts";
import {
  type Choice,
  DELIMITED,
  type Fields,
  isZero,
  MAX_NESTING,
  type Plan,
  type PlannedField,
} from "./message_tables.ts";

/** Writes one message, from its last byte to its first. */
export class Encoder {
  readonly #writer = new BackwardWriter();
  readonly #name: string;
  #depth = 0;

  constructor(name: string) {
    this.#name = name;
  }

  finish(): Uint8Array[] {
    return this.#writer.finish();
  }

  message(plan: Plan, message: Fields): void {
    if (++this.#depth > MAX_NESTING) {
      throw cannot(`encode ${this.#name}`, { output: `nested deeper than ${MAX_NESTING} messages` });
    }
    for (const raw of message.unknown?.toReversed() ?? []) this.#writer.raw(raw);
    for (let index = plan.fields.length; index-- > 0;) this.#field(plan.fields[index]!, message);
    this.#depth--;
  }

  #field(field: PlannedField, message: Fields): void {
    if (field.map) {
      const map = message[field.name] as ReadonlyMap<string, unknown>;
      for (const key of [...map.keys()].reverse()) this.#entry(field, key, map.get(key));
    } else if (field.repeated) {
      const values = message[field.name] as unknown[];
      for (let index = values.length; index-- > 0;) this.#tagged(field, values[index]);
    } else if (field.oneof === undefined) {
      const value = message[field.name];
      if (!isZero(value)) this.#tagged(field, value);
    } else {
      const choice = message[field.oneof] as Choice | undefined;
      if (choice?.case === field.name) this.#tagged(field, choice.value);
    }
  }

  /** Key and value are written even when they are zero, as every implementation of protobuf does. */
  #entry(field: PlannedField, key: string, value: unknown): void {
    const end = this.#writer.length;
    this.#depth++;
    const [keyField, valueField] = field.entry!.fields;
    this.#tagged(valueField!, value);
    this.#tagged(keyField!, key);
    this.#depth--;
    this.#head(field, end);
  }

  #tagged(field: PlannedField, value: unknown): void {
    const end = this.#writer.length;
    this.#value(field, value);
    this.#head(field, end);
  }

  /** What stands in front of a value: its tag and, where it has one, its length. @param end of the bytes behind it */
  #head(field: PlannedField, end: number): void {
    const writer = this.#writer;
    if (field.wire === DELIMITED) writer.varint(writer.length - end);
    writer.varint((field.no << 3 | field.wire) >>> 0);
  }

  #value(field: PlannedField, value: unknown): void {
    const writer = this.#writer;
    switch (field.type) {
      case "string":
        return writer.text(this.#checked(value as string));
      case "bytes":
        return writer.raw(value as Uint8Array);
      case "bool":
        return writer.varint(value ? 1 : 0);
      case "int32":
      case "enum":
        return writer.varint64(BigInt(value as number));
      case "int64":
      case "uint64":
        return writer.varint64(value as bigint);
      case "double":
        return writer.double(value as number);
      default:
        return this.message(field.message!, value as Fields);
    }
  }

  #checked(text: string): string {
    if (text.isWellFormed()) return text;
    const shown = JSON.stringify(text.slice(0, 80));
    throw cannot(`encode ${this.#name}`, { internal: `the text ${shown} is not valid Unicode` });
  }
}
