/**
 * The layers of a setting: flag, then environment, then configuration files, then default.
 * @module
 */
import { mayBeSecret, type StorageSource, type StowSection } from "../config/mod.ts";
import { cannot } from "../errors.ts";
import type { ConfigEntries, ConfigEntry } from "./config_yaml.ts";
import { environmentNames, type Flag, isConfigKey } from "./flag.ts";
import { FLAGS } from "./flags.ts";
import type { Invocation } from "./grammar.ts";
import type { SettingOrigin } from "./commands.ts";
import { type FlagValue, parseValue } from "./values.ts";

/** Where settings come from. */
export interface Sources {
  invocation: Invocation;
  env: Readonly<Record<string, string>>;
  entries: ConfigEntries;
}

/** Looks settings up by the names of their flags. An empty environment variable is as good as none. */
export class Settings implements StorageSource {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /**
   * Reads every key of configuration files, so that a value that nothing looks up is checked as well.
   *
   * @throws CopilotError for the first value that is not of its flag's type
   */
  assertValid(): void {
    for (const flag of FLAGS.filter(isConfigKey)) this.#given(flag);
  }

  /** Whether flag, environment or a file sets it. */
  isSet(name: string): boolean {
    return this.#given(this.#flag(name)) !== undefined;
  }

  text(name: string): string {
    return this.#value(name, "") as string;
  }

  /** The text, or undefined where it is empty. */
  optionalText(name: string): string | undefined {
    return this.text(name) || undefined;
  }

  number(name: string): number {
    return this.#value(name, 0) as number;
  }

  bool(name: string): boolean {
    return this.#value(name, false) as boolean;
  }

  list(name: string): readonly string[] {
    return this.#value(name, []) as readonly string[];
  }

  /** The bytes, or undefined where they are not given. */
  bytes(name: string): Uint8Array | undefined {
    return this.#given(this.#flag(name)) as Uint8Array | undefined;
  }

  /**
   * `storage.stow.config`. The command line's map and the environment's stand alone; those of files are merged by key.
   * The default (`region=us-east-1`) is left to the S3 store, where AWS_REGION and profiles come before it.
   */
  stowConfig(): Readonly<Record<string, string>> {
    const given = this.#given(this.#flag("storage.stow.config"));
    return given === undefined ? this.#below("storage.stow.config") : given as Record<string, string>;
  }

  /** `storage.schemes` of the files. */
  schemes(): Record<string, StowSection> {
    const schemes = new Map<string, StowSection>();
    for (const key of this.#sources.entries.keys()) {
      const scheme = /^storage\.schemes\.([^.]+)\./.exec(key)?.[1];
      if (scheme === undefined || schemes.has(scheme)) continue;
      const at = `storage.schemes.${scheme}`;
      const kind = this.#sources.entries.get(`${at}.kind`)?.text ?? "";
      schemes.set(scheme, { kind, config: this.#below(`${at}.config`) });
    }
    return Object.fromEntries(schemes);
  }

  #below(section: string): Record<string, string> {
    const found: [string, string][] = [];
    for (const [key, entry] of this.#sources.entries) {
      if (key.startsWith(`${section}.`)) found.push([key.slice(section.length + 1), entry.text]);
    }
    return Object.fromEntries(found);
  }

  #value(name: string, zero: FlagValue): FlagValue {
    const flag = this.#flag(name);
    const given = this.#given(flag);
    if (given !== undefined) return given;
    return flag.default === ""
      ? zero
      : parseValue(flag, flag.default, { name: `--${name}`, code: "internal" });
  }

  /**
   * Where every setting comes from that is not left to its default; of `storage.stow.config`, that of each key.
   *
   * @param defaults names of those that are told also where nothing sets them
   */
  origins(defaults: readonly string[]): SettingOrigin[] {
    const { command } = this.#sources.invocation;
    return FLAGS.filter(({ scope }) => [command, "global", "file"].includes(scope)).flatMap((flag) => {
      const found = this.#find(flag);
      if (found !== undefined) return shownOrigins(flag, found.value, found.from);
      return defaults.includes(flag.name) ? [{ name: flag.name, value: flag.default, from: "default" }] : [];
    }).concat(this.#openOrigins());
  }

  /** Keys of files that only the stores know. */
  #openOrigins(): SettingOrigin[] {
    const found: SettingOrigin[] = [];
    for (const [name, { text, file, line }] of this.#sources.entries) {
      const key = /^storage\.(?:stow|schemes\.[^.]+)\.config\.([^.]+)$/.exec(name)?.[1];
      if (key !== undefined) found.push({ name, value: shownValue(key, text), from: `${file}:${line}` });
    }
    return found;
  }

  #given(flag: Flag): FlagValue | undefined {
    return this.#find(flag)?.value;
  }

  #find(flag: Flag): { value: FlagValue; from: string } | undefined {
    const { invocation, env, entries } = this.#sources;
    const typed = invocation.flags.get(flag.name);
    if (typed !== undefined) return { value: typed, from: "flag" };
    for (const variable of environmentNames(flag)) {
      const text = env[variable];
      if (text === undefined || text === "") continue;
      const origin = { name: `the environment variable ${variable}`, code: "usage" as const };
      return { value: parseValue(flag, text, origin), from: `environment ${variable}` };
    }
    const entry: ConfigEntry | undefined = isConfigKey(flag)
      ? entries.get(flag.name.toLowerCase())
      : undefined;
    if (entry === undefined) return undefined;
    const { text, file, line } = entry;
    // A file of a mounted Secret may hold a line break that nobody meant.
    const value = parseValue(flag, text.trim(), { name: `"${flag.name}" of "${file}"`, code: "config" });
    return { value, from: `${file}:${line}` };
  }

  /** The flag of that name which the command takes. */
  #flag(name: string): Flag {
    const { command } = this.#sources.invocation;
    const flag = FLAGS.find((known) =>
      known.name === name && [command, "global", "file"].includes(known.scope)
    );
    if (flag === undefined) throw cannot("look up", name, { internal: "no such flag" });
    return flag;
  }
}

function shownOrigins(flag: Flag, value: FlagValue, from: string): SettingOrigin[] {
  const { name } = flag;
  if (flag.type === "stringToString") {
    return Object.entries(value as Record<string, string>).map(([key, text]) => ({
      name: `${name}.${key}`,
      value: shownValue(key, text),
      from,
    }));
  }
  if (flag.secret) return [{ name, value: "***", from }];
  return [{ name, value: value instanceof Uint8Array ? `${value.length} bytes` : String(value), from }];
}

/** A store's setting, unless it may be a secret. */
function shownValue(key: string, text: string): string {
  return mayBeSecret(key) ? "***" : text;
}
