/**
 * Settings as they cross to the run's Worker: structuredClone does not carry a {@linkcode Secret}.
 * @module
 */
import { Secret, type StorageConfig, type StoreSettings } from "../config/mod.ts";

/** Settings with their secrets in the clear: for a message to a Worker of this process and nothing else. */
export interface TransferableSettings {
  kind: string;
  values: Readonly<Record<string, string>>;
  revealed: Readonly<Record<string, string>>;
}

/** A configuration that survives structuredClone, which a {@linkcode Secret} does not. */
export interface TransferableConfig extends Omit<StorageConfig, "primary" | "schemes"> {
  primary: TransferableSettings;
  schemes: Readonly<Record<string, TransferableSettings>>;
}

/** The form in which a configuration crosses to a Worker. Holds secrets in the clear. */
export function toTransferable(config: StorageConfig): TransferableConfig {
  const open = ({ kind, values, secrets }: StoreSettings): TransferableSettings => ({
    kind,
    values,
    revealed: mapValues(secrets, (secret) => secret.reveal()),
  });
  return { ...config, primary: open(config.primary), schemes: mapValues(config.schemes, open) };
}

/** The configuration behind {@linkcode toTransferable}. */
export function fromTransferable(transferred: TransferableConfig): StorageConfig {
  const shut = ({ kind, values, revealed }: TransferableSettings): StoreSettings => ({
    kind,
    values,
    secrets: mapValues(revealed, (value) => new Secret(value)),
  });
  return {
    ...transferred,
    primary: shut(transferred.primary),
    schemes: mapValues(transferred.schemes, shut),
  };
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
