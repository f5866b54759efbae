/**
 * Storage settings as the stores receive them. See the command line's specification in README.md.
 * @module
 */

/** A value that never shows: it prints as `***` in every log line, error, JSON text and template. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for signing and nothing else. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "***";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "***";
  }
}

/** Settings of one kind of store, already merged from flags, environment and files. */
export interface StoreSettings {
  /** `s3`, `google`, `azure`, `local`, `mem`, `redis`, `swift`, `oracle`. */
  kind: string;
  /** `stow.config` without its secrets. Keys as Flyte writes them: `region`, `endpoint`, `auth_type`, … */
  values: Readonly<Record<string, string>>;
  /** The secrets of `stow.config`: `secret_key`, `token`, `json`, `key`, `password`. */
  secrets: Readonly<Record<string, Secret>>;
}
