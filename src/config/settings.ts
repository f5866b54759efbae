/**
 * Settings of stores as the stores receive them.
 * @module
 */
import { keysOfKind, kindOfScheme, type StorageType } from "./kinds.ts";
import { Secret } from "./secret.ts";

/** Settings of one kind of store, already merged from flags, environment and files. */
export interface StoreSettings {
  /** A name in the table of kinds, or a scheme that nobody serves. */
  kind: string;
  /** `stow.config` without its secrets. Keys as Flyte writes them: `region`, `endpoint`, `auth_type`, … */
  values: Readonly<Record<string, string>>;
  /** The secrets of `stow.config`: `secret_key`, `token`, `json`, `key`, `password`. */
  secrets: Readonly<Record<string, Secret>>;
}

/** Every store that a run may use. */
export interface StorageConfig {
  /** Which settings describe the configured store: `s3` for `storage.connection`, `stow` for `storage.stow`, whatever the flag says. */
  type: StorageType;
  /** Bound for metadata objects; 0 means none. */
  maxDownloadBytes: number;
  /** The configured store. */
  primary: StoreSettings;
  /** `storage.schemes`: stores of other schemes, by scheme. */
  schemes: Readonly<Record<string, StoreSettings>>;
}

const SECRET_KEYS: ReadonlySet<string> = new Set([
  "secret_key",
  "token",
  "json",
  "key",
  "password",
  "sse_customer_key",
]);
/** A misspelt secret (`secretkey`, `sas_token`) must not show either. */
const SECRET_LOOK = /secret|token|passw|credential|json|key$/i;

/**
 * Settings of a kind out of its `config` map.
 *
 * Blanks and line breaks around a value are cut off: a Secret that was made with `echo` ends in one, and no setting needs any. A
 * local path is the exception, because a directory's name may end in a blank.
 *
 * @param kind a name in the table of kinds
 * @param config keys as in `stow.config`
 */
export function storeSettings(kind: string, config: Readonly<Record<string, string>>): StoreSettings {
  const known = keysOfKind(kind);
  const isSecret = (key: string) => mayBeSecret(key, known);
  const entries = Object.entries(config).map(([key, value]) =>
    [key, kind === "local" ? value : value.trim()] as const
  );
  return {
    kind,
    values: Object.fromEntries(entries.filter(([key]) => !isSecret(key))),
    secrets: Object.fromEntries(
      entries.filter(([key]) => isSecret(key)).map(([key, value]) => [key, new Secret(value)]),
    ),
  };
}

/** Whether a setting's value may be a credential. @param known keys that are what they are called */
export function mayBeSecret(key: string, known: readonly string[] = []): boolean {
  return SECRET_KEYS.has(key) || (!known.includes(key) && SECRET_LOOK.test(key));
}

const OWN_PLACES: ReadonlySet<string> = new Set(["file", "http", "https"]);

/** Whether a scheme means one thing whatever store is configured: files and web servers. */
export function isOwnPlace(scheme: string): boolean {
  return OWN_PLACES.has(scheme);
}

/**
 * Whether a store takes the place of the one that a scheme names: a local store with a `path`, and memory, serve every URI but
 * those of files and web servers, so that `s3://b/k` is then a file or in memory.
 *
 * @param scheme lower case without `://`
 */
export function replacesScheme({ kind, values }: StoreSettings, scheme: string): boolean {
  return (kind === "mem" || (kind === "local" && values["path"] !== undefined)) && !isOwnPlace(scheme);
}

/**
 * The settings with which a URI is opened: the configured store's for its own schemes and for those that it replaces, else
 * `storage.schemes[scheme]`, else none, so that the store finds the ambient credentials.
 *
 * @param scheme lower case without `://`; `file` for a bare path
 */
export function settingsFor(scheme: string, { primary, schemes }: StorageConfig): StoreSettings {
  const kind = kindOfScheme(scheme);
  if (primary.kind === kind || replacesScheme(primary, scheme)) return primary;
  if (Object.hasOwn(schemes, scheme)) return schemes[scheme]!;
  return { kind, values: {}, secrets: {} };
}
