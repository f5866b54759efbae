/**
 * What the main thread and the run's Worker say to each other.
 * @module
 */
import type { StorageConfig } from "../config/mod.ts";
import type { TransferableConfig } from "./config_transfer.ts";
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
    /** Whether main still runs: `ended` will follow. */
    early: boolean;
  }
  | { kind: "abort"; reason: string }
  /** Main has ended, and whether badly. */
  | { kind: "ended"; failure: ForeignFailure | null }
  /** The process is about to be killed. */
  | { kind: "hurry" }
  /** The answers to `allow`; one is asked at a time. */
  | { kind: "allowed" }
  | { kind: "refused"; message: string };

/** From the Worker. */
export type FromWorker =
  | { kind: "done"; status: number }
  /** Something was thrown that nothing catches. */
  | { kind: "crashed"; error: string; stack: string }
  /** May the run reach these places? Answered by `allowed`, `refused`, or the Worker's end. */
  | { kind: "allow"; uris: string[] };
