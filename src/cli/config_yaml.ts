/**
 * Configuration files to flat keys: `storage: {stow: {kind: s3}}` is `storage.stow.kind`.
 * @module
 */
import type { Document, Node } from "../packages/yaml.ts";
import type { ConfigFile } from "./config_files.ts";
import { cannot, type CopilotError } from "../errors.ts";
import { isConfigKey } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import { suggestion } from "../config/suggest.ts";

/** One key's text and the file that it comes from. */
export interface ConfigEntry {
  text: string;
  file: string;
  /** Where in the file its value stands, from 1. */
  line: number;
}

/** Entries by key in lower case, with dots. */
export type ConfigEntries = ReadonlyMap<string, ConfigEntry>;

const KNOWN_KEYS: readonly string[] = FLAGS.filter(isConfigKey).map(({ name }) => name.toLowerCase());
/** Keys under which anything may stand: settings of stores that only the store knows. */
const OPEN_KEYS = /^storage\.(stow\.config\.[^.]+|schemes\.[^.]+\.(kind|config\.[^.]+))$/;
const OPEN_SECTIONS = /^storage\.(stow\.config|schemes|schemes\.[^.]+|schemes\.[^.]+\.config)$/;
const MAX_DEPTH = 8;
/** Aliases of aliases make a small text large. */
const MAX_NODES = 10_000;

/**
 * Reads configuration files; of the same key in several the last one's counts. The YAML library is loaded only when there
 * is a file.
 *
 * Values are kept as they are written: `secret_key: 0123` is `0123`, no number. Keys are case-insensitive, and a key
 * without a value is as good as absent.
 *
 * @throws CopilotError `config` for a text that is no YAML, for unknown keys (all of them are named), for lists
 */
export async function readEntries(files: readonly ConfigFile[]): Promise<ConfigEntries> {
  const entries = new Map<string, ConfigEntry>();
  if (files.length === 0) return entries;
  const yaml = await import("../packages/yaml.ts");
  for (const file of files) {
    const lines = new yaml.LineCounter();
    const document = yaml.parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
    const error = document.errors[0];
    if (error !== undefined) {
      // The library's message quotes the text, which may be a secret: its code and the place say enough.
      const { line, col } = lines.linePos(error.pos[0]);
      throw refuse(file, `line ${line}, column ${col} is not valid YAML (${error.code})`);
    }
    const reader = new Reader(yaml, document, file);
    for (const [key, { text, offset }] of reader.read()) {
      entries.set(key, { text, file: file.name, line: lines.linePos(offset).line });
    }
  }
  return entries;
}

function refuse(file: ConfigFile, what: string): CopilotError {
  return cannot("use the configuration", file.name, { config: what });
}

/** A value, and where in its file it begins. */
interface Scalar {
  text: string;
  offset: number;
}

class Reader {
  readonly #yaml: typeof import("../packages/yaml.ts");
  readonly #document: Document;
  readonly #file: ConfigFile;
  readonly #entries = new Map<string, Scalar>();
  readonly #unknown: string[] = [];
  #nodes = 0;

  constructor(yaml: typeof import("../packages/yaml.ts"), document: Document, file: ConfigFile) {
    this.#yaml = yaml;
    this.#document = document;
    this.#file = file;
  }

  read(): Map<string, Scalar> {
    const root = this.#document.contents;
    const empty = root === null || (this.#yaml.isScalar(root) && root.value === null);
    if (!empty) this.#walk(root, [], "");
    if (this.#unknown.length > 0) {
      const [first] = this.#unknown;
      const near = suggestion(first!, KNOWN_KEYS);
      const names = this.#unknown.map((key) => `"${key}"`).join(", ");
      const wanted = near === "" ? `, expected keys of ${sections()}` : near;
      throw refuse(this.#file, `unknown key${this.#unknown.length > 1 ? "s" : ""} ${names}${wanted}`);
    }
    return this.#entries;
  }

  #walk(node: unknown, path: readonly string[], seen: string): void {
    const { isAlias, isMap, isScalar } = this.#yaml;
    const value: unknown = isAlias(node) ? node.resolve(this.#document) : node;
    const tooMuch = path.length > MAX_DEPTH || ++this.#nodes > MAX_NODES;
    if (tooMuch || (isAlias(node) && value === undefined)) {
      throw refuse(this.#file, `"${seen}" is nested too deeply, too large, or refers to nothing`);
    }
    if (isMap(value)) {
      for (const { key, value: below } of value.items) {
        const name = isScalar(key) ? String(key.source ?? key.value) : "";
        this.#walk(below, [...path, name], [...path, name].join("."));
      }
      return;
    }
    if (path.length === 0) throw refuse(this.#file, `it is no map, expected keys of ${sections()}`);
    this.#leaf(value, seen);
  }

  #leaf(value: unknown, path: string): void {
    const key = path.toLowerCase();
    const { isScalar } = this.#yaml;
    const isNull = value === null || (isScalar(value) && value.value === null);
    const isLeaf = KNOWN_KEYS.includes(key) || OPEN_KEYS.test(key);
    const isSection = OPEN_SECTIONS.test(key) || KNOWN_KEYS.some((known) => known.startsWith(`${key}.`));
    if (!isLeaf && !isSection) this.#unknown.push(path);
    else if (isNull) return;
    else if (OPEN_SECTIONS.test(key) || !isLeaf) {
      throw refuse(this.#file, `"${path}" is no map, expected keys below it`);
    } else if (!isScalar(value)) throw refuse(this.#file, `"${path}" is a list, expected one value`);
    else this.#entries.set(key, { text: scalarText(value), offset: value.range?.[0] ?? 0 });
  }
}

/** A scalar as it is written; quotes and folding undone. */
function scalarText(scalar: Node & { value?: unknown; source?: string }): string {
  return typeof scalar.value === "string" ? scalar.value : scalar.source ?? String(scalar.value);
}

function sections(): string {
  return [...new Set(KNOWN_KEYS.map((key) => key.split(".")[0]))].sort().join(", ");
}
