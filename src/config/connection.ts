/**
 * Sections of the configuration that say with keys of their own what `storage.stow.config` says.
 * @module
 */

/** The keys of `storage.connection`, and the `stow.config` keys of s3 that they mean. */
export const CONNECTION_KEYS: Readonly<Record<string, string>> = {
  "endpoint": "endpoint",
  "auth-type": "auth_type",
  "access-key": "access_key_id",
  "secret-key": "secret_key",
  "region": "region",
  "disable-ssl": "disable_ssl",
};

/** The keys of `storage.connection` that storage.type redis reads, and the `stow.config` keys of redis that they mean. */
export const REDIS_CONNECTION_KEYS: Readonly<Record<string, string>> = {
  "endpoint": "endpoint",
  "access-key": "username",
  "secret-key": "password",
};

/** The keys of `storage.redis`, which storage.type redis reads, and the `stow.config` keys of redis that they mean. */
export const REDIS_KEYS: Readonly<Record<string, string>> = {
  addr: "endpoint",
  username: "username",
  password: "password",
  db: "db",
};
