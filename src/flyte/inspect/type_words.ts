/**
 * Types of variables as people type them, `rows:int tags:list[str] table:dataset[parquet]`, to messages and back.
 *
 * docs/documents.md has the grammar. What a word cannot say (metadata, annotations, the fields of a dataclass, external schemas)
 * is left out when a type is written as one; it means nothing to an upload.
 * @module
 */
import { cannot, type CopilotError } from "../../errors.ts";
import { Dimensionality, type LiteralType, SimpleType } from "../types.ts";

/** Names of simple types; the first of a type's names is the one that is written, and the tag that Flyte's SDK gives it in a union. */
const SIMPLE: readonly (readonly [name: string, type: number])[] = [
  ["int", SimpleType.INTEGER],
  ["integer", SimpleType.INTEGER],
  ["float", SimpleType.FLOAT],
  ["str", SimpleType.STRING],
  ["string", SimpleType.STRING],
  ["bool", SimpleType.BOOLEAN],
  ["boolean", SimpleType.BOOLEAN],
  ["datetime", SimpleType.DATETIME],
  ["timedelta", SimpleType.DURATION],
  ["duration", SimpleType.DURATION],
  ["none", SimpleType.NONE],
  ["binary", SimpleType.BINARY],
  ["error", SimpleType.ERROR],
  ["struct", SimpleType.STRUCT],
];

/** SchemaType.SchemaColumn.SchemaColumnType by the names of {@linkcode SIMPLE}. */
const SCHEMA_COLUMNS: readonly string[] = ["int", "float", "str", "bool", "datetime", "timedelta"];

const OTHERS = ["file", "dir", "list", "dict", "enum", "union", "dataset", "schema"] as const;
const NAMES = [...SIMPLE.map(([name]) => name), ...OTHERS];
/** Types within types: as deep as documents may nest, and far more than anybody means. */
const MAX_DEPTH = 64;

/** A name as Flyte's own formats and columns have them; others are written in quotes. */
const PLAIN = /^[\w.+\/-]+$/;

/**
 * Reads `NAME:TYPE`.
 *
 * @example
 * ```ts
 * import assert from "assert";
 * import { parseVariable, typeWord } from "./type_words.ts";
 *
 * const { name, type } = parseVariable("tags:list[string]");
 * assert.equal(name, "tags");
 * assert.equal(typeWord(type), "list[str]");
 * ```
 *
 * @throws CopilotError `usage` naming the word, the place in it and what was expected there
 */
export function parseVariable(word: string): { name: string; type: LiteralType } {
  const colon = word.indexOf(":");
  const name = word.slice(0, Math.max(0, colon));
  if (name === "") throw cannot("use", word, { usage: "expected NAME:TYPE, as rows:int or tags:list[str]" });
  const reader = new Reader(word, colon + 1);
  const type = reader.type(0);
  reader.end();
  return { name, type };
}

/** Reads a type from left to right. */
class Reader {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  /** A type, with `|` between the variants of a union, and `?` behind what may be none. */
  type(depth: number): LiteralType {
    if (depth > MAX_DEPTH) throw this.#refuse(`at most ${MAX_DEPTH} types within each other`);
    const variants = [this.#optional(depth)];
    while (this.#take("|")) variants.push(this.#optional(depth));
    return variants.length === 1 ? variants[0]! : union(variants);
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#refuse("the end of the type");
  }

  #optional(depth: number): LiteralType {
    const type = this.#single(depth);
    return this.#take("?") ? union([type, simple(SimpleType.NONE)]) : type;
  }

  #single(depth: number): LiteralType {
    const start = this.#at;
    const name = /^[a-z]*/.exec(this.#text.slice(start))![0];
    this.#at += name.length;
    const known = SIMPLE.find(([each]) => each === name);
    if (known !== undefined) return simple(known[1]);
    switch (name as typeof OTHERS[number]) {
      case "file":
        return blob(Dimensionality.SINGLE, this.#bracketed(() => this.#name()) ?? "");
      case "dir":
        return blob(Dimensionality.MULTIPART, this.#bracketed(() => this.#name()) ?? "");
      case "list":
        return { type: { case: "collectionType", value: this.#inner(depth) } };
      case "dict":
        return { type: { case: "mapValueType", value: this.#inner(depth) } };
      case "enum":
        return {
          type: {
            case: "enumType",
            value: { values: this.#required(() => this.#separated(() => this.#name())) },
          },
        };
      case "union":
        return union(this.#required(() => this.#separated(() => this.type(depth + 1))));
      case "dataset":
        return this.#dataset(depth);
      case "schema": {
        const columns = this.#columns(() => this.#schemaColumn());
        return {
          type: { case: "schema", value: { columns: columns.map(([name, type]) => ({ name, type })) } },
        };
      }
    }
    this.#at = start;
    throw this.#refuse(`a type, one of ${NAMES.join(", ")}`);
  }

  #dataset(depth: number): LiteralType {
    const format = this.#bracketed(() => this.#name()) ?? "";
    const columns = this.#columns(() => this.type(depth + 1));
    const value = {
      columns: columns.map(([name, literalType]) => ({ name, literalType })),
      format,
      externalSchemaType: "",
      externalSchemaBytes: new Uint8Array(),
    };
    return { type: { case: "structuredDatasetType", value } };
  }

  #inner(depth: number): LiteralType {
    return this.#required(() => this.type(depth + 1));
  }

  #schemaColumn(): number {
    const start = this.#at;
    const name = /^[a-z]*/.exec(this.#text.slice(start))![0];
    const type = SCHEMA_COLUMNS.indexOf(name);
    if (type < 0) throw this.#refuse(`a column's type, one of ${SCHEMA_COLUMNS.join(", ")}`);
    this.#at += name.length;
    return type;
  }

  /** `{name:type,…}`; nothing where there is no brace. */
  #columns<T>(read: () => T): [string, T][] {
    if (!this.#take("{")) return [];
    const columns = this.#separated((): [string, T] => {
      const name = this.#name();
      this.#expect(":");
      return [name, read()];
    });
    this.#expect("}");
    return columns;
  }

  #separated<T>(read: () => T): T[] {
    const found = [read()];
    while (this.#take(",")) found.push(read());
    return found;
  }

  #required<T>(read: () => T): T {
    return this.#bracketed(read) ?? this.#fail('"["');
  }

  #bracketed<T>(read: () => T): T | undefined {
    if (!this.#take("[")) return undefined;
    const value = read();
    this.#expect("]");
    return value;
  }

  /** A plain name, or one in double quotes as JSON has it. */
  #name(): string {
    const rest = this.#text.slice(this.#at);
    const found = /^(?:"(?:[^"\\]|\\.)*"|[\w.+\/-]+)/.exec(rest)?.[0];
    if (found === undefined) throw this.#refuse("a name");
    this.#at += found.length;
    try {
      return found.startsWith('"') ? JSON.parse(found) : found;
    } catch {
      return this.#fail("a name in quotes as JSON has it");
    }
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #expect(char: string): void {
    if (!this.#take(char)) this.#fail(`"${char}"`);
  }

  #fail(wanted: string): never {
    throw this.#refuse(wanted);
  }

  #refuse(wanted: string): CopilotError {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    const there = rest === "" ? "at its end" : `at "${rest}"`;
    return cannot("use", this.#text, { usage: `expected ${wanted} ${there}` });
  }
}

function simple(value: number): LiteralType {
  return { type: { case: "simple", value } };
}

function blob(dimensionality: number, format: string): LiteralType {
  return { type: { case: "blob", value: { format, dimensionality } } };
}

/** Flyte tells the variants of a union apart by tags, which its SDK makes of the types' names. */
function union(variants: readonly LiteralType[]): LiteralType {
  const tagged = variants.map((variant): LiteralType => {
    const tag = variant.type?.case === "simple" ? simpleName(variant.type.value) : undefined;
    return tag === undefined ? variant : { ...variant, structure: { tag, dataclassType: new Map() } };
  });
  return { type: { case: "unionType", value: { variants: tagged } } };
}

function simpleName(value: number): string | undefined {
  return SIMPLE.find(([, type]) => type === value)?.[0];
}

/** A type as {@linkcode parseVariable} reads it; `?` for one that no word can say. */
export function typeWord({ type }: LiteralType): string {
  switch (type?.case) {
    case "simple":
      return simpleName(type.value) ?? "?";
    case "blob":
      return (type.value.dimensionality === Dimensionality.MULTIPART ? "dir" : "file") +
        bracketed(type.value.format);
    case "collectionType":
      return `list[${typeWord(type.value)}]`;
    case "mapValueType":
      return `dict[${typeWord(type.value)}]`;
    case "enumType":
      return `enum[${type.value.values.map(nameWord).join(",")}]`;
    case "unionType":
      return `union[${type.value.variants.map(typeWord).join(",")}]`;
    case "structuredDatasetType": {
      const { format, columns } = type.value;
      const inner = columns.map(({ name, literalType }) =>
        `${nameWord(name)}:${typeWord(literalType ?? {})}`
      );
      return `dataset${bracketed(format)}${braced(inner)}`;
    }
    case "schema": {
      const inner = type.value.columns.map(({ name, type }) =>
        `${nameWord(name)}:${SCHEMA_COLUMNS[type] ?? "?"}`
      );
      return `schema${braced(inner)}`;
    }
    case undefined:
      return "?";
  }
}

function bracketed(name: string): string {
  return name === "" ? "" : `[${nameWord(name)}]`;
}

function braced(columns: readonly string[]): string {
  return columns.length === 0 ? "" : `{${columns.join(",")}}`;
}

function nameWord(name: string): string {
  return PLAIN.test(name) ? name : JSON.stringify(name);
}
