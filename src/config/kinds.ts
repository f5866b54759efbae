/**
 * The table of stores: which kinds there are, which URI schemes each serves, and which settings it reads. Nothing else in the
 * program lists schemes or kinds.
 * @module
 */

/** One kind of store. */
export interface StoreKind {
  /** URI schemes, lower case without `://`. */
  schemes: readonly string[];
  /** Keys of `stow.config`, as Flyte writes them; others are passed on with a warning. */
  keys: readonly string[];
  /** Whether `storage.stow.kind` takes it. */
  isStow: boolean;
}

/** Settings of stores that are reached through their S3 interface. */
const S3_INTERFACE = ["endpoint", "region", "access_key_id", "secret_key", "secret_key_path", "disable_ssl"];

const TABLE = {
  s3: {
    schemes: ["s3"],
    keys: [
      "auth_type",
      "access_key_id",
      "secret_key",
      "secret_key_path",
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
    isStow: true,
  },
  google: { schemes: ["gs"], keys: ["json", "project_id", "scopes", "endpoint"], isStow: true },
  azure: {
    schemes: ["abfs", "abfss"],
    keys: ["account", "key", "auth_type", "domain_suffix", "base_url", "upload_concurrency"],
    isStow: true,
  },
  local: { schemes: ["file"], keys: ["path"], isStow: true },
  swift: {
    schemes: ["sw"],
    keys: ["username", "key", "tenant_name", "tenant_auth_url", ...S3_INTERFACE],
    isStow: true,
  },
  oracle: {
    schemes: ["os"],
    keys: ["username", "password", "authorization_endpoint", ...S3_INTERFACE],
    isStow: true,
  },
  redis: {
    schemes: ["redis", "rediss"],
    keys: ["endpoint", "username", "password", "db"],
    isStow: true,
  },
  mem: { schemes: ["mem"], keys: [], isStow: false },
  http: { schemes: ["http", "https"], keys: [], isStow: false },
} as const satisfies Record<string, StoreKind>;

/** Names of the kinds. */
export type KindName = keyof typeof TABLE;

/** Every kind of store by its name. */
export const KINDS: Readonly<Record<KindName, StoreKind>> = TABLE;

/** What `storage.stow.kind` takes. */
export const STOW_KINDS: readonly string[] = Object.entries(KINDS).filter(([, { isStow }]) => isStow)
  .map(([name]) => name);

/** What `storage.type` takes. */
export const STORAGE_TYPES = ["stow", "s3", "minio", "local", "mem", "redis"] as const;

/** One of {@linkcode STORAGE_TYPES}. */
export type StorageType = typeof STORAGE_TYPES[number];

/** The keys of `stow.config` that a kind reads; none for a kind that does not exist. */
export function keysOfKind(kind: string): readonly string[] {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind as KindName].keys : [];
}

/** The first scheme of a kind; a kind that does not exist is its own. */
export function schemeOfKind(kind: string): string {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind as KindName].schemes[0]! : kind;
}

/** Which kind of store serves a scheme; a scheme that nobody serves is its own kind, which the registry refuses by name. */
export function kindOfScheme(scheme: string): string {
  for (const [kind, { schemes }] of Object.entries(KINDS)) if (schemes.includes(scheme)) return kind;
  return scheme;
}
