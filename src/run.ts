/**
 * One run, start to finish: the flow under its deadline, the error document if it fails, the closing line, the exit status.
 * @module
 */
import type { DownloadCommand, SidecarCommand } from "./cli.ts";
import { deadlineIn } from "./deadline.ts";
import { download } from "./download.ts";
import { CopilotError, explain, from } from "./errors.ts";
import { toErrorDocument } from "./flyte/error_document.ts";
import { encodeErrorDocument } from "./flyte/idl.ts";
import { ErrorKind, ErrorOrigin } from "./flyte/types.ts";
import type { ConsoleLog, Log } from "./log.ts";
import { bytesSource } from "./storage/store.ts";
import { RetryBudget } from "./storage/retry.ts";
import { Stores } from "./storage/stores.ts";
import { Engine } from "./storage/transfer/engine.ts";
import { joinKey } from "./storage/uri.ts";
import type { System } from "./system.ts";
import { clearError, TaskFailure, upload } from "./upload.ts";

/** Milliseconds for the error document, counted from the failure: the run's own deadline may be what failed. */
const REPORT_MS = 60_000;

/** Milliseconds between two looks at the progress line of a terminal. */
const PROGRESS_MS = 200;

/** What a run works with. */
export interface RunContext {
  system: System;
  log: ConsoleLog;
  /** Replaces secrets by `***`. */
  mask(text: string): string;
  env: Readonly<Record<string, string>>;
  /** PEM certificates trusted besides the system's. */
  caCerts: string[];
  memoryLimitBytes: number;
  /** Fires when the process is asked to end; its reason is a CopilotError `aborted`. */
  signal: AbortSignal;
  /** Resolves once the run may reach the places that these URIs name; rejects with `denied` where it never may. */
  allow(uris: readonly string[]): Promise<void>;
}

/** Commands that move data. */
export type RunCommand = DownloadCommand | SidecarCommand;

/**
 * Carries out a command.
 *
 * @returns the exit status: 0 also after a failure that errors.pb tells (as the original), 1 with `--exit-on-error`, when
 *   errors.pb could not be written, or when the run was cancelled
 */
export async function run(command: RunCommand, context: RunContext): Promise<number> {
  const { system, log } = context;
  const startMs = system.clock.monotonicMs();
  const what = command.kind === "download" ? "Download" : "Upload";
  const deadline = deadlineIn(system.clock, command.timeoutMs, { what, parent: context.signal });
  const engine = new Engine(system, { memoryLimitBytes: context.memoryLimitBytes, signal: deadline.signal });
  const stores = openStores(command, context, { engine, untilMs: untilMs(startMs, command.timeoutMs) });
  const showProgress = () => log.progress(progressText(what, engine));
  const stopProgress = system.clock.every(PROGRESS_MS, showProgress);
  let failure: CopilotError | undefined;
  try {
    await flow(command, { engine, stores, log, allow: context.allow });
  } catch (thrown) {
    failure = from(thrown, `${what} failed`);
  } finally {
    stopProgress();
    log.progress("");
    deadline.clear();
    await stores.close();
  }
  const { files, bytes, retries } = engine.progress;
  const seconds = Math.round(system.clock.monotonicMs() - startMs) / 1000;
  if (failure === undefined) {
    log.summary(`${what.toLowerCase()} finished`, { files, bytes, seconds, retries });
    return 0;
  }
  log.error(`${what.toLowerCase()} failed`, {
    files,
    bytes,
    seconds,
    retries,
    code: failure.code,
    error: explain(failure),
  });
  if (failure.code === "aborted") return 1;
  return await report(failure, command, context);
}

function progressText(what: string, { progress, pool }: Engine): string {
  const mib = (progress.bytes / 1024 / 1024).toFixed(1);
  return `${what}: ${progress.files} files, ${mib} MiB, ${pool.active} at a time`;
}

function untilMs(startMs: number, timeoutMs: number): number {
  return timeoutMs === 0 ? Infinity : startMs + timeoutMs;
}

interface OpenOptions {
  engine: Engine;
  untilMs: number;
}

function openStores(command: RunCommand, context: RunContext, { engine, untilMs }: OpenOptions): Stores {
  const { system, env, caCerts, log, allow } = context;
  return new Stores({
    config: command.storage,
    context: { system, env, caCerts, allow, signal: engine.signal },
    retry: {
      clock: system.clock,
      random: system.random,
      deadlineMs: untilMs,
      budget: new RetryBudget(),
      onRetry(event) {
        engine.progress.retries++;
        if (event.error.code === "throttled") engine.pool.throttled();
        log.debug("retrying", {
          error: event.error.message,
          attempt: event.attempt,
          waitMs: Math.round(event.waitMs),
        });
      },
    },
  });
}

interface Tools {
  engine: Engine;
  stores: Stores;
  log: Log;
  allow: RunContext["allow"];
}

async function flow(command: RunCommand, tools: Tools): Promise<void> {
  if (command.kind === "sidecar") return await upload(command, tools);
  const clearing = clearError(joinKey(command.outputPrefix, command.errOutputName), tools);
  clearing.catch(() => {});
  await download({ ...command, maxMetadataBytes: command.storage.maxDownloadBytes }, tools);
  await clearing;
}

/**
 * Writes errors.pb.
 *
 * @returns the exit status
 */
export async function report(
  failure: CopilotError,
  command: RunCommand,
  context: RunContext,
): Promise<number> {
  const { system, log } = context;
  const deadline = deadlineIn(system.clock, REPORT_MS, { what: "Error document" });
  const engine = new Engine(system, { memoryLimitBytes: 0, signal: deadline.signal });
  const stores = openStores(command, context, {
    engine,
    untilMs: untilMs(system.clock.monotonicMs(), REPORT_MS),
  });
  const uri = joinKey(command.outputPrefix, command.errOutputName);
  const details = failure instanceof TaskFailure ? failure.details : undefined;
  const document = toErrorDocument({
    code: details?.code ?? (command.kind === "download" ? "InputDownloadFailed" : "OutputUploadFailed"),
    message: context.mask(details?.message ?? explain(failure)),
    kind: details?.kind ?? ErrorKind.RECOVERABLE,
    origin: details?.origin ?? ErrorOrigin.SYSTEM,
  });
  try {
    const { store, key } = await stores.at(uri, "--to-output-prefix");
    await store.put(key, bytesSource(encodeErrorDocument(document)), { signal: engine.signal });
    log.info("wrote the error document", { uri });
    return command.exitOnError ? 1 : 0;
  } catch (thrown) {
    log.error("cannot write the error document", { uri, error: explain(thrown) });
    return 1;
  } finally {
    deadline.clear();
    await stores.close();
  }
}
