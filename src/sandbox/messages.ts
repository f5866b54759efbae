/**
 * What the main thread and the run's Worker say to each other, settings included: structuredClone does not carry a
 * {@linkcode Secret}.
 * @module
 */
import { Secret, type StorageConfig, type StoreSettings } from "../config/mod.ts";
import type { LogSettings } from "../system/log.ts";
import type { ForeignFailure, RunCommand } from "../run/context.ts";

type Transferable<C extends { storage: StorageConfig }> = C extends unknown
  ? Omit<C, "storage"> & { storage: TransferableConfig }
  : never;

/** From the main thread. */
export type ToWorker =
  | {
    kind: "run";
    command: Transferable<RunCommand>;
    env: Record<string, string>;
    caCerts: string[];
    memoryLimitBytes: number;
    documentLimitBytes: number;
    log: LogSettings & { isTerminal: boolean };
    /** Set when there is nothing to do but to tell this. */
    failure?: ForeignFailure;
    /** What a failure of the outputs is told with. */
    caveat?: string;
    /** Whether main still runs: `ended` will follow. */
    early: boolean;
    /** Milliseconds of the run's deadline that Workers before this one have used. */
    spentMs: number;
  }
  | { kind: "abort"; reason: string }
  /** Main has ended, and whether badly. */
  | { kind: "ended"; failure: ForeignFailure | null }
  /** The process is about to be killed. */
  | { kind: "hurry" }
  /** Answered at once by a Worker that is not lost in something long. */
  | { kind: "ping" }
  /** The answers to `allow`; one is asked at a time. */
  | { kind: "allowed" }
  | { kind: "refused"; message: string };

/** From the Worker. */
export type FromWorker =
  | { kind: "done"; status: number }
  /** A sidecar's outputs are all declared. */
  | { kind: "uploaded" }
  | { kind: "pong" }
  /** Something was thrown that nothing catches. */
  | { kind: "crashed"; error: string; stack: string }
  /** May the run reach these places? Answered by `allowed`, `refused`, or the Worker's end. */
  | { kind: "allow"; uris: string[] };

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
