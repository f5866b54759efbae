/**
 * The table of stores: which kinds there are, which URI schemes each serves, and which settings it reads. Nothing else in the
 * program lists schemes or kinds.
 * @module
 */

/** One kind of store. */
export interface StoreKind {
  /** URI schemes, lower case without `://`. */
  schemes: readonly string[];
  /** Keys of `stow.config`, as Flyte writes them, with what they mean; others are passed on with a warning. */
  keys: Readonly<Record<string, string>>;
  /** Whether `storage.stow.kind` takes it. */
  isStow: boolean;
}

const ADDRESS = {
  region: "Region; unset: AWS_REGION, AWS_DEFAULT_REGION, us-east-1",
  endpoint: "URL of a store that is not AWS's own; implies path-style addressing",
  disable_ssl: "true: plain HTTP to an endpoint without a scheme",
};
const KEYS = {
  access_key_id: "Access key ID",
  secret_key: "Secret access key",
  secret_key_path: "File that holds the secret access key; wins over secret_key",
};

const TABLE = {
  s3: {
    schemes: ["s3", "s3a", "s3n"],
    keys: {
      auth_type:
        "accesskey: the keys below; iam: the platform's credentials; unset: the keys where they are given",
      ...KEYS,
      token: "Session token of temporary keys",
      ...ADDRESS,
      addressing_style:
        "path or virtual (https://BUCKET.ENDPOINT); unset: path with an endpoint, virtual on AWS",
      v2_signing: "Accepted; requests are signed with version 4",
      server_side_encryption: "AES256, aws:kms or aws:kms:dsse, for what is written",
      kms_key_id: "Key for aws:kms",
      sse_customer_key: "Customer's key of 32 bytes in base64, for what is read and written",
      request_payer: "requester: the caller pays",
    },
    isStow: true,
  },
  google: {
    schemes: ["gs", "gcs"],
    keys: {
      json:
        "Credentials as JSON: a service account's key, or a configuration of workload identity federation",
      project_id: "Pays for requests with request_payer; buckets need no project",
      request_payer: "requester: project_id pays",
      scopes: "OAuth scopes, separated by blanks or commas",
      endpoint: "URL of another server; unset: STORAGE_EMULATOR_HOST, Google's own",
    },
    isStow: true,
  },
  azure: {
    schemes: ["abfs", "abfss", "wasb", "wasbs", "az"],
    keys: {
      account: "Storage account; unset: AZURE_STORAGE_ACCOUNT, or the one that a URI names",
      key: "Account key in base64",
      auth_type: "anonymous: no credentials; unset: the first that is there",
      domain_suffix: "Domain of the account's host; unset: core.windows.net",
      base_url: "URL of another server, as an emulator's",
      upload_concurrency: "Accepted; copilot decides by its memory",
    },
    isStow: true,
  },
  local: {
    schemes: ["file"],
    keys: { path: "Directory that holds a directory for each bucket" },
    isStow: true,
  },
  swift: {
    schemes: ["sw"],
    keys: {
      ...KEYS,
      ...ADDRESS,
      username: "Accepted; Swift is reached by its S3 interface",
      key: "Accepted, as username",
      tenant_name: "Accepted, as username",
      tenant_auth_url: "Accepted, as username",
    },
    isStow: true,
  },
  oracle: {
    schemes: ["os"],
    keys: {
      ...KEYS,
      ...ADDRESS,
      username: "Accepted; Oracle's store is reached by its S3 interface",
      password: "Accepted, as username",
      authorization_endpoint: "Accepted, as username",
    },
    isStow: true,
  },
  redis: {
    schemes: ["redis", "rediss"],
    keys: {
      endpoint: "HOST[:PORT]",
      username: "User of Redis's access control lists",
      password: "Password",
      db: "Number of the database; unset: 0",
    },
    isStow: true,
  },
  mem: { schemes: ["mem"], keys: {}, isStow: false },
  http: { schemes: ["http", "https"], keys: {}, isStow: false },
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
  return Object.hasOwn(KINDS, kind) ? Object.keys(KINDS[kind as KindName].keys) : [];
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
