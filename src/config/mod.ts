/**
 * Settings and secrets of a run's stores, and the tables that they are checked against.
 *
 * Pure: knows no runtime, reads no environment and no file by itself.
 * @module
 */
export { CONNECTION_KEYS, REDIS_KEYS } from "./connection.ts";
export { PLATFORM_VARIABLES } from "./environment.ts";
export {
  keysOfKind,
  type KindName,
  kindOfScheme,
  KINDS,
  schemeOfKind,
  STORAGE_TYPES,
  type StorageType,
  type StoreKind,
  STOW_KINDS,
} from "./kinds.ts";
export { Secret } from "./secret.ts";
export { readSecretFiles } from "./secret_files.ts";
export { secretValues } from "./secret_values.ts";
export {
  isOwnPlace,
  mayBeSecret,
  replacesScheme,
  settingsFor,
  type StorageConfig,
  type StoreSettings,
  storeSettings,
} from "./settings.ts";
export { storageConfig, type StorageSource, type StowSection } from "./storage_config.ts";
