/**
 * What every run works with, and how its stores are opened.
 * @module
 */
import { settingsFor, type StorageConfig, type StoreSettings } from "../config/mod.ts";
import type { DownloadCommand, SidecarCommand } from "../cli/mod.ts";
import type { ConsoleLog } from "../system/log.ts";
import type { RunFailure } from "../flyte/codec/error_document.ts";
import { deadEndpointWarnings } from "./dead_endpoints.ts";
import { type RequestEvent, RetryBudget, type RetryEvent } from "../storage/retry.ts";
import type { ObjectStore } from "../storage/store.ts";
import { Stores } from "../storage/stores.ts";
import type { Telemetry } from "../telemetry/mod.ts";
import type { ProgressView } from "./progress.ts";
import type { System } from "../system/mod.ts";

export type { RunFailure };

/** What a run works with. */
export interface RunContext {
  system: System;
  log: ConsoleLog;
  /** Who looks at the run while it goes on. */
  view: ProgressView;
  /** Whom the run tells about itself; default: nobody. */
  telemetry?: Telemetry;
  /** Writes to standard output, which a run does only where it is asked to show something. */
  print(text: string): void;
  /** Replaces secrets by `***`. */
  mask(text: string): string;
  env: Readonly<Record<string, string>>;
  /** PEM certificates trusted besides the system's. */
  caCerts: string[];
  /** Bytes that the whole process may use with buffers, and with documents; see system/memory_limits.ts. */
  memoryLimitBytes: number;
  documentLimitBytes: number;
  /** Fires when the process is asked to end; its reason is a CopilotError `aborted`. */
  signal: AbortSignal;
  /** Fires when the process is about to be killed: the error document goes out beside the upload, in case that is not finished. */
  killImminent: AbortSignal;
  /** Whether threads had run out, and may again, which would end the process: an upload then has its document beside it at once. */
  isShortOfThreads?: boolean;
  /** Milliseconds of `--timeout` that are used up when the run begins. */
  spentMs: number;
  /** Milliseconds between main's end and SIGKILL, where somebody has told; else it is taken to be `--timeout`, as Flyte sets it. */
  graceMs?: number;
  /** Free space in a download's directory when the run begins, in bytes; absent where nobody can tell. */
  freeBytes?: number;
  /** UPLOAD_EAGER's upload begins before main has ended; resolves when it has, with what was wrong about its end. */
  ended?: Promise<RunFailure | null>;
  /** Whether an earlier life of this sidecar has begun the upload: what it has stored whole is not sent again. Default: no. */
  resumes?: boolean;
  /** Called when a sidecar's outputs are all declared. */
  uploaded?(): void;
  /** What a failure of the outputs is told with: main was never seen, so that may be why one is missing. */
  caveat?: string;
  /** Resolves once the run may reach the places that these URIs name; rejects with `denied` where it never may. */
  allow(uris: readonly string[]): Promise<void>;
}

/** Commands that move data. */
export type RunCommand = DownloadCommand | SidecarCommand;

/** What {@linkcode openStores} takes besides command and context. */
export interface OpenOptions {
  /** No attempt begins after this time on the monotonic clock. */
  deadlineMs: number;
  /** An object was not compared with its store's checksum. */
  onUnverified?(): void;
  /** A store of the run has been opened. */
  onOpen?(store: ObjectStore): void;
  /** An attempt has failed and will be followed by another. */
  onRetry?(event: RetryEvent): void;
}

/** The stores of a run, with its settings, its retries and its log. */
export function openStores(command: RunCommand, context: RunContext, options: OpenOptions): Stores {
  const { system, env, caCerts, log, allow } = context;
  const warnOfDeadEndpoints = deadEndpointWarnings(log, system.clock);
  return new Stores({
    config: configOf(command),
    context: { system, env, caCerts, allow },
    memoryLimitBytes: context.documentLimitBytes,
    ...(command.kind === "download" ? { verify: command.verify } : {}),
    ...(options.onUnverified === undefined ? {} : { onUnverified: options.onUnverified }),
    ...(options.onOpen === undefined ? {} : { onOpen: options.onOpen }),
    warn: (message) => log.warning(message),
    retry: {
      clock: system.clock,
      random: system.random,
      deadlineMs: options.deadlineMs,
      budget: new RetryBudget(),
      onRequest: requestLine(context),
      onRetry(event) {
        options.onRetry?.(event);
        warnOfDeadEndpoints(event);
        log.debug("retrying", {
          error: event.error.message,
          attempt: event.attempt,
          waitMs: Math.round(event.waitMs),
        });
      },
    },
  });
}

/** Tells of each request: the log at its last level, and telemetry. */
function requestLine({ log, telemetry }: RunContext): ((event: RequestEvent) => void) | undefined {
  if (!log.shows("trace") && !telemetry?.isOn) return undefined;
  return ({ action, object, ms, retries, error }) => {
    log.trace("request", { action, object, ms: Math.round(ms), retries, error: error?.code });
    telemetry?.request({ action, store: storeOf(object), ms, retries, error: error?.code });
  };
}

/** Scheme and container of a URI, for figures by store. */
export function storeOf(uri: string): string {
  return /^[a-z0-9+.-]+:\/\/[^/]*/i.exec(uri)?.[0] ?? "file://";
}

/** The storage settings, with what the command line says of the hosts that inputs name. */
function configOf(command: RunCommand): StorageConfig {
  const { storage } = command;
  if (command.kind !== "download" || !command.allowLinkLocal) return storage;
  const lifted = (settings: StoreSettings): StoreSettings => ({
    ...settings,
    values: { ...settings.values, allow_link_local: "true" },
  });
  const schemes = ["http", "https", "redis", "rediss"].map((scheme) =>
    [scheme, lifted(settingsFor(scheme, storage))] as const
  );
  return {
    ...storage,
    primary: storage.primary.kind === "redis" ? lifted(storage.primary) : storage.primary,
    schemes: { ...storage.schemes, ...Object.fromEntries(schemes) },
  };
}
