/**
 * The layers of flags, environment and files to the configuration of a run's stores.
 * @module
 */
import { cannot } from "../errors.ts";
import { CONNECTION_KEYS, REDIS_CONNECTION_KEYS, REDIS_KEYS } from "./connection.ts";
import { keysOfKind, kindOfScheme, type StorageType, STOW_KINDS } from "./kinds.ts";
import { type StorageConfig, type StoreSettings, storeSettings } from "./settings.ts";
import { suggestion } from "./suggest.ts";

/** A kind of store with its `config` map; the kind of `storage.schemes` may be empty, which is the scheme's own. */
export interface StowSection {
  kind: string;
  config: Readonly<Record<string, string>>;
}

/** Where settings are looked up, by the names of their flags. */
export interface StorageSource {
  text(name: string): string;
  number(name: string): number;
  /** `storage.stow.config` without its default. */
  stowConfig(): Readonly<Record<string, string>>;
  /** `storage.schemes`, by scheme. */
  schemes(): Readonly<Record<string, StowSection>>;
}

/**
 * Makes the configuration of a run's stores.
 *
 * @returns the configuration, and warnings about settings that no store knows
 * @throws CopilotError `config` for a kind that does not exist
 */
export function storageConfig(source: StorageSource): { config: StorageConfig; warnings: string[] } {
  const warnings: string[] = [];
  const { type, settings: primary } = primarySettings(source, warnings);
  const schemes = Object.entries(source.schemes()).map(([scheme, section]) => {
    const kind = section.kind === "" ? kindOfScheme(scheme) : section.kind;
    const at = `storage.schemes.${scheme}`;
    if (kindOfScheme(scheme) === primary.kind) {
      warnings.push(
        `${at} is not used: the configured store (${primary.kind}) serves "${scheme}" URIs itself`,
      );
    }
    return [scheme, stowSettings({ kind, config: section.config }, at, warnings)] as const;
  });
  const config = {
    type,
    maxDownloadBytes: source.number("storage.limits.maxDownloadMBs") * 1024 * 1024,
    primary,
    schemes: Object.fromEntries(schemes),
  };
  return { config, warnings };
}

/** A store's settings, and the type that describes where they come from. */
interface Primary {
  type: StorageType;
  settings: StoreSettings;
}

function primarySettings(source: StorageSource, warnings: string[]): Primary {
  const type = source.text("storage.type") as StorageType;
  switch (type) {
    case "stow":
    case "s3":
    case "minio":
      return stowOrConnection(source, warnings);
    case "redis": {
      const connection = section(source, "storage.connection", REDIS_CONNECTION_KEYS);
      const redis = section(source, "storage.redis", REDIS_KEYS);
      return { type, settings: storeSettings("redis", { ...connection, ...redis }) };
    }
    case "local": {
      const path = source.stowConfig()["path"];
      return { type, settings: storeSettings("local", path === undefined ? {} : { path }) };
    }
    case "mem":
      return { type, settings: storeSettings("mem", {}) };
  }
}

/**
 * The original takes `stow.kind` and `stow.config` whatever the type says, and `storage.connection` only where they are missing:
 * Flyte's default configurations write `type: minio` beside a stow section. "Missing" means not given by anyone: the defaults of
 * kind (s3) and config (a region) are in the program itself. A kind other than s3 was given on purpose, and `storage.connection`
 * cannot describe it.
 */
function stowOrConnection(source: StorageSource, warnings: string[]): Primary {
  const kind = source.text("storage.stow.kind");
  const config = source.stowConfig();
  const connection = section(source, "storage.connection", CONNECTION_KEYS);
  const isLegacy = kind === "s3" && Object.keys(config).length === 0 && Object.keys(connection).length > 0;
  if (isLegacy) return { type: "s3", settings: storeSettings("s3", connection) };
  return { type: "stow", settings: stowSettings({ kind, config }, "storage.stow", warnings) };
}

/** The given keys of a section, under their names in `stow.config`. */
function section(
  source: StorageSource,
  at: string,
  names: Readonly<Record<string, string>>,
): Record<string, string> {
  const entries = Object.entries(names).map(([key, name]) => [name, source.text(`${at}.${key}`)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ""));
}

/** Settings of a kind, with a warning for keys that it does not know; what uses the key may still understand it. */
function stowSettings({ kind, config }: StowSection, at: string, warnings: string[]): StoreSettings {
  if (!STOW_KINDS.includes(kind)) {
    const near = suggestion(kind, STOW_KINDS);
    throw cannot(`use ${at}.kind "${kind}"`, { config: `expected one of ${STOW_KINDS.join(", ")}${near}` });
  }
  const known = keysOfKind(kind);
  const unknown = Object.keys(config).filter((key) => !known.includes(key) && !isForAnotherKind(key, config));
  if (unknown.length > 0) {
    const near = unknown.map((key) => `"${key}"${suggestion(key, known)}`).join("; ");
    warnings.push(`${at}.config has keys that ${kind} does not know: ${near} (known: ${known.join(", ")})`);
  }
  return storeSettings(kind, config);
}

/** The original's default map, `region=us-east-1`, stands in many files whatever the kind. */
function isForAnotherKind(key: string, config: Readonly<Record<string, string>>): boolean {
  return key === "region" && config[key] === "us-east-1";
}
