/**
 * Storage settings as the stores receive them. See the command line's specification in README.md.
 * @module
 */
import { CopilotError } from "../errors.ts";

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

/** What `--storage.type` takes. */
export const STORAGE_TYPES = ["stow", "s3", "minio", "local", "mem", "redis"] as const;
/** What `--storage.stow.kind` takes. */
export const STOW_KINDS = ["s3", "google", "azure", "local", "swift", "oracle", "redis"] as const;

/** One of {@linkcode STORAGE_TYPES}. */
export type StorageType = typeof STORAGE_TYPES[number];

/** Every store that a run may use. */
export interface StorageConfig {
  type: StorageType;
  /** `storage.container`; empty where none is set. URIs name their container themselves. */
  container: string;
  /**
   * `storage.enable-multicontainer`. Kept, not enforced: the original without it refuses every other bucket than
   * `storage.container`, which breaks raw output buckets; here any bucket that the credentials open is allowed.
   */
  multiContainer: boolean;
  /** Bound for metadata objects; 0 means none. */
  maxDownloadBytes: number;
  /** The configured store. */
  primary: StoreSettings;
  /** `storage.schemes`: stores of other schemes, by scheme. */
  schemes: Readonly<Record<string, StoreSettings>>;
}

/** `storage.*` after flags, environment and files were merged, before it is taken apart by kind. */
export interface StorageInput {
  type: StorageType;
  container: string;
  multiContainer: boolean;
  /** Mebibytes; 0 means no bound. */
  maxDownloadMb: number;
  stow: StowInput;
  /** `storage.connection`, with the keys of {@linkcode CONNECTION_KEYS}; absent keys are not set. */
  connection: Readonly<Record<string, string>>;
  /** `storage.redis`, with the keys of `stow.config` of kind redis. */
  redis?: Readonly<Record<string, string>>;
  schemes: Readonly<Record<string, StowInput>>;
}

/** A kind with its `config` map. */
export interface StowInput {
  kind: string;
  config: Readonly<Record<string, string>>;
}

/** The keys of `storage.connection`, which types s3, minio and redis read, and the `stow.config` keys that they mean. */
export const CONNECTION_KEYS: Readonly<Record<string, string>> = {
  "endpoint": "endpoint",
  "auth-type": "auth_type",
  "access-key": "access_key_id",
  "secret-key": "secret_key",
  "region": "region",
  "disable-ssl": "disable_ssl",
};

/** The keys of `storage.redis`, which type redis reads, and the `stow.config` keys of kind redis that they mean. */
export const REDIS_KEYS: Readonly<Record<string, string>> = {
  addr: "endpoint",
  username: "username",
  password: "password",
  db: "db",
};

/** Settings of stores that are reached by their S3 interface. */
const S3_INTERFACE = ["endpoint", "region", "access_key_id", "secret_key", "disable_ssl"];

/** Keys of `stow.config` by kind; others are passed on with a warning. */
export const STOW_KEYS: Readonly<Record<string, readonly string[]>> = {
  s3: [
    "auth_type",
    "access_key_id",
    "secret_key",
    "token",
    "region",
    "endpoint",
    "disable_ssl",
    "v2_signing",
    "server_side_encryption",
    "kms_key_id",
    "sse_customer_key",
    "request_payer",
  ],
  google: ["json", "project_id", "scopes", "endpoint"],
  azure: ["account", "key", "auth_type", "domain_suffix", "base_url", "upload_concurrency"],
  local: ["path"],
  swift: ["username", "key", "tenant_name", "tenant_auth_url", ...S3_INTERFACE],
  oracle: ["username", "password", "authorization_endpoint", ...S3_INTERFACE],
  redis: ["endpoint", "username", "password", "db"],
};

/** Schemes by the kind that serves them. */
const SCHEMES_OF_KIND: Readonly<Record<string, readonly string[]>> = {
  s3: ["s3"],
  google: ["gs"],
  azure: ["abfs", "abfss"],
  local: ["file"],
  swift: ["sw"],
  oracle: ["os"],
  mem: ["mem"],
  redis: ["redis", "rediss"],
  http: ["http", "https"],
};

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
 * Makes the configuration of a run out of merged settings.
 *
 * @returns the configuration, and warnings about settings that no store knows
 * @throws CopilotError `config` for a kind that does not exist
 */
export function storageConfig(input: StorageInput): { config: StorageConfig; warnings: string[] } {
  const warnings: string[] = [];
  const primary = primarySettings(input, warnings);
  const schemes = Object.entries(input.schemes).map(([scheme, stow]) => {
    const kind = stow.kind === "" ? kindOfScheme(scheme) : stow.kind;
    const at = `storage.schemes.${scheme}`;
    assertKind(kind, `${at}.kind`);
    if (kindOfScheme(scheme) === primary.kind) {
      warnings.push(
        `${at} is not used: the configured store (${primary.kind}) serves "${scheme}" URIs itself`,
      );
    }
    return [scheme, settings(kind, stow.config, { at: `${at}.config`, warnings })] as const;
  });
  const config = {
    type: input.type,
    container: input.container,
    multiContainer: input.multiContainer,
    maxDownloadBytes: input.maxDownloadMb * 1024 * 1024,
    primary,
    schemes: Object.fromEntries(schemes),
  };
  return { config, warnings };
}

function primarySettings(input: StorageInput, warnings: string[]): StoreSettings {
  switch (input.type) {
    case "stow":
      assertKind(input.stow.kind, "storage.stow.kind");
      return settings(input.stow.kind, input.stow.config, { at: "storage.stow.config", warnings });
    case "s3":
    case "minio":
      return split("s3", connectionConfig(input.connection));
    case "redis": {
      const { endpoint, access_key_id: username, secret_key: password } = connectionConfig(input.connection);
      const connection = {
        ...(endpoint && { endpoint }),
        ...(username && { username }),
        ...(password && { password }),
      };
      return split("redis", { ...connection, ...input.redis });
    }
    case "local": {
      const path = input.stow.config["path"];
      return split("local", path === undefined ? {} : { path });
    }
    case "mem":
      return split("mem", {});
  }
}

function connectionConfig(connection: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(connection).map(([key, value]) => [CONNECTION_KEYS[key] ?? key, value]);
  return Object.fromEntries(entries);
}

function assertKind(kind: string, at: string): void {
  if ((STOW_KINDS as readonly string[]).includes(kind)) return;
  throw new CopilotError("config", `Cannot use ${at} "${kind}": expected one of ${STOW_KINDS.join(", ")}`, {
    object: at,
  });
}

/** Settings of a kind, with a warning for keys that it does not know; what uses the key may still understand it. */
function settings(
  kind: string,
  config: Readonly<Record<string, string>>,
  options: { at: string; warnings: string[] },
): StoreSettings {
  const known = STOW_KEYS[kind] ?? [];
  const unknown = Object.keys(config).filter((key) => !known.includes(key) && !isForAnotherKind(key, config));
  if (unknown.length > 0) {
    options.warnings.push(
      `${options.at} has keys that ${kind} does not know: ${unknown.join(", ")} (known: ${known.join(", ")})`,
    );
  }
  return split(kind, config);
}

/** The original's default map, `region=us-east-1`, stands in many files whatever the kind. */
function isForAnotherKind(key: string, config: Readonly<Record<string, string>>): boolean {
  return key === "region" && config[key] === "us-east-1";
}

function split(kind: string, config: Readonly<Record<string, string>>): StoreSettings {
  const known = STOW_KEYS[kind] ?? [];
  const isSecret = (key: string) => SECRET_KEYS.has(key) || (!known.includes(key) && SECRET_LOOK.test(key));
  const entries = Object.entries(config);
  return {
    kind,
    values: Object.fromEntries(entries.filter(([key]) => !isSecret(key))),
    secrets: Object.fromEntries(
      entries.filter(([key]) => isSecret(key)).map(([key, value]) => [key, new Secret(value)]),
    ),
  };
}

/** Which kind of store serves a scheme; a scheme that nobody serves is its own kind, which the registry refuses by name. */
export function kindOfScheme(scheme: string): string {
  for (const [kind, schemes] of Object.entries(SCHEMES_OF_KIND)) if (schemes.includes(scheme)) return kind;
  return scheme;
}

/** Schemes that mean one thing whatever store is configured. */
const OWN_PLACES: ReadonlySet<string> = new Set(["file", "http", "https"]);

/**
 * The settings with which a URI is opened: the configured store's for its own schemes, else `storage.schemes[scheme]`,
 * else none, so that the store finds the ambient credentials. A local store with a `path`, and memory, take the place of
 * every store: `s3://b/k` is then a file or in memory.
 *
 * @param scheme lower case without `://`; `file` for a bare path
 */
export function settingsFor(scheme: string, config: StorageConfig): StoreSettings {
  const kind = kindOfScheme(scheme);
  const { primary } = config;
  const takesAll = primary.kind === "mem" ||
    (primary.kind === "local" && primary.values["path"] !== undefined);
  if (primary.kind === kind || (takesAll && !OWN_PLACES.has(scheme))) return primary;
  if (Object.hasOwn(config.schemes, scheme)) return config.schemes[scheme]!;
  return { kind, values: {}, secrets: {} };
}

/** Environment variables whose values are credentials. */
const SECRET_ENV = [
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AZURE_CLIENT_SECRET",
  "AZURE_STORAGE_KEY",
  "AZURE_STORAGE_ACCOUNT_KEY",
  "AZURE_STORAGE_SAS_TOKEN",
  "AZURE_STORAGE_CONNECTION_STRING",
  "IDENTITY_HEADER",
];
const PROXY_ENV = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/**
 * Every secret value that is known when a run starts, for the masker of log lines and error documents. Includes the
 * private key within a service account's JSON, `storage.connection`'s access key, and the password of a proxy's URL.
 */
export function secretValues(config: StorageConfig, env: Readonly<Record<string, string>>): string[] {
  const found = new Set<string>();
  const stores = [config.primary, ...Object.values(config.schemes)];
  for (const { secrets } of stores) {
    for (const secret of Object.values(secrets)) {
      const value = secret.reveal();
      found.add(value);
      for (const key of value.match(/-----BEGIN [^"]+/g) ?? []) found.add(key);
    }
  }
  const accessKey = config.type === "s3" || config.type === "minio"
    ? config.primary.values["access_key_id"]
    : undefined;
  if (accessKey !== undefined) found.add(accessKey);
  for (const name of SECRET_ENV) found.add(env[name] ?? "");
  for (const name of PROXY_ENV) found.add(/^[a-z]+:\/\/[^/]*:([^/]*)@/i.exec(env[name] ?? "")?.[1] ?? "");
  found.delete("");
  return [...found];
}
