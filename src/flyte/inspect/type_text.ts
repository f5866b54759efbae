/**
 * Types of values in one line for people: `list<integer>`, `union<string | none>`, `directory(csv)`.
 * @module
 */
import { ENUMS } from "../codec/schema.ts";
import { type BlobType, Dimensionality, type LiteralType } from "../types.ts";

/** A type in one line; `?` for one that is not set. */
export function typeText(literalType: LiteralType | undefined): string {
  const type = literalType?.type;
  switch (type?.case) {
    case undefined:
      return "?";
    case "simple":
      return enumText("SimpleType", type.value);
    case "collectionType":
      return `list<${typeText(type.value)}>`;
    case "mapValueType":
      return `map<${typeText(type.value)}>`;
    case "unionType":
      return `union<${type.value.variants.map(typeText).join(" | ")}>`;
    case "enumType":
      return `enum<${type.value.values.join(" | ")}>`;
    case "blob":
      return blobText(type.value);
    case "schema": {
      const column = "SchemaType.SchemaColumn.SchemaColumnType";
      return `schema${
        columnsText(type.value.columns.map((each) => `${each.name}: ${enumText(column, each.type)}`))
      }`;
    }
    case "structuredDatasetType": {
      const columns = type.value.columns.map(({ name, literalType }) => `${name}: ${typeText(literalType)}`);
      return `dataset${inBrackets(type.value.format)}${columnsText(columns)}`;
    }
  }
}

/** `file`, `directory(csv)`. */
export function blobText(type: BlobType | undefined): string {
  const kind = type?.dimensionality === Dimensionality.MULTIPART ? "directory" : "file";
  return kind + inBrackets(type?.format ?? "");
}

/** `(csv)`, nothing for nothing. */
export function inBrackets(text: string): string {
  return text === "" ? "" : `(${text})`;
}

/** The name of an enum's value in lower case, or its number where the name is not known. */
export function enumText(name: string, value: number): string {
  return ENUMS[name]?.[value]?.toLowerCase() ?? String(value);
}

function columnsText(columns: string[]): string {
  return columns.length === 0 ? "" : `{${columns.join(", ")}}`;
}
