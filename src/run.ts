/**
 * One run, start to finish: the flow under its deadline, the error document if it fails, the closing line, the exit status.
 * @module
 */
import type { DownloadCommand, SidecarCommand } from "./cli.ts";
import { type Deadline, deadlineIn } from "./deadline.ts";
import { download } from "./download.ts";
import { CopilotError, explain, from } from "./errors.ts";
import { EagerUploads } from "./eager.ts";
import { decodeTypedInterface } from "./flyte/idl.ts";
import type { ConsoleLog } from "./log.ts";
import { RetryBudget } from "./storage/retry.ts";
import { Stores } from "./storage/stores.ts";
import { Engine } from "./storage/transfer/engine.ts";
import { joinKey } from "./storage/uri.ts";
import type { System } from "./system.ts";
import { assertNoTaskError, TaskFailure, upload } from "./upload.ts";
import {
  exists,
  type Failure,
  failureOf,
  type VerdictContext,
  withdrawVerdict,
  writeVerdict,
} from "./verdict.ts";

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
  /** Fires when the process is about to be killed: errors.pb goes out beside the upload, in case that is not finished. */
  hurry: AbortSignal;
  /** UPLOAD_EAGER's upload begins before main has ended; resolves when it has, with what was wrong about its end. */
  ended?: Promise<ForeignFailure | null>;
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
  const engine = new Engine(system, { memoryLimitBytes: context.memoryLimitBytes, signal: context.signal });
  const early = command.kind === "sidecar" && context.ended !== undefined;
  const stores = openStores(command, context, {
    engine,
    untilMs: early ? Infinity : untilMs(startMs, command.timeoutMs),
  });
  const showProgress = () => log.progress(progressText(what, engine));
  const stopProgress = system.clock.every(PROGRESS_MS, showProgress);
  const verdict = new EarlyVerdict(command, context);
  let deadline: Deadline | undefined;
  let failure: CopilotError | undefined;
  try {
    const eager = await uploadEarly(command, { engine, stores, context });
    if (eager?.badEnd) return await tell(eager.badEnd, command, context);
    deadline = deadlineIn(system.clock, command.timeoutMs, { what });
    deadline.signal.addEventListener("abort", () => engine.fail(deadline!.signal.reason), { once: true });
    await flow(command, { engine, stores, verdict, context, eager: eager?.uploads });
  } catch (thrown) {
    failure = from(thrown, `${what} failed`);
  } finally {
    stopProgress();
    log.progress("");
    verdict.close();
    deadline?.clear();
    await stores.close();
  }
  const { files, bytes, retries } = engine.progress;
  const seconds = Math.round(system.clock.monotonicMs() - startMs) / 1000;
  const figures = { files, bytes, seconds, retries };
  if (failure === undefined) {
    log.summary(`${what.toLowerCase()} finished`, figures);
    return 0;
  }
  log.error(`${what.toLowerCase()} failed`, { ...figures, code: failure.code, error: explain(failure) });
  if (failure.code === "aborted") return 1;
  return await report(failureOf(failure, codeOf(command)), command, context);
}

function codeOf(command: RunCommand): string {
  return command.kind === "download" ? "InputDownloadFailed" : "OutputUploadFailed";
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

interface EarlyTools {
  engine: Engine;
  stores: Stores;
  context: RunContext;
}

interface Early {
  uploads: EagerUploads;
  badEnd: ForeignFailure | null;
}

/** Uploads what is stable while main runs; undefined where nothing was asked to go up before its end. */
async function uploadEarly(
  command: RunCommand,
  { engine, stores, context }: EarlyTools,
): Promise<Early | undefined> {
  if (command.kind !== "sidecar" || context.ended === undefined) return undefined;
  const { log, ended } = context;
  const over = new AbortController();
  const end = ended.finally(() => over.abort());
  const typed = decodeTypedInterface(command.interface ?? new Uint8Array(0));
  const uploads = new EagerUploads({ ...command, typed }, { engine, stores, log });
  await uploads.run(over.signal);
  return { uploads, badEnd: await end };
}

interface Tools extends EarlyTools {
  verdict: EarlyVerdict;
  eager: EagerUploads | undefined;
}

async function flow(command: RunCommand, { engine, stores, verdict, context, eager }: Tools): Promise<void> {
  const { log, allow } = context;
  const withdraw = async () => {
    await eager?.removeVanished();
    await verdict.settle();
    await withdrawVerdict(errorUri(command), { stores, signal: engine.signal, log });
  };
  if (command.kind === "sidecar") {
    return await upload(command, { engine, stores, log, beforeOutputs: withdraw, eager });
  }
  const withdrawn = withdraw();
  withdrawn.catch(() => {});
  await download({ ...command, maxMetadataBytes: command.storage.maxDownloadBytes }, {
    engine,
    stores,
    log,
    allow,
  });
  await withdrawn;
}

function errorUri(command: RunCommand): string {
  return joinKey(command.outputPrefix, command.errOutputName);
}

/**
 * The errors.pb that goes out while an upload still runs, because the process is about to be killed. A reader takes errors.pb
 * first, so the safe side is never a wrong success; an upload that makes it after all withdraws it.
 */
class EarlyVerdict {
  readonly #command: RunCommand;
  readonly #context: RunContext;
  readonly #write = () => void (this.#writing = this.#report());
  #writing: Promise<unknown> = Promise.resolve();

  constructor(command: RunCommand, context: RunContext) {
    this.#command = command;
    this.#context = context;
    if (context.hurry.aborted) this.#write();
    else context.hurry.addEventListener("abort", this.#write, { once: true });
  }

  /** No early verdict is begun from now on; resolves when one that was begun is out. */
  async settle(): Promise<void> {
    this.close();
    await this.#writing;
  }

  close(): void {
    this.#context.hurry.removeEventListener("abort", this.#write);
  }

  #report(): Promise<number> {
    const message = "Upload not finished when the container was told for the second time to end";
    return report({ code: codeOf(this.#command), message }, this.#command, this.#context);
  }
}

/** A failure that was seen before the run: a watcher's, main's own, a crash. */
export interface ForeignFailure extends Failure {
  /** Not to be told where outputs.pb exists: an earlier life of this container has finished the upload. */
  unlessDone: boolean;
}

/**
 * Tells a failure that was seen before the run. The task's own `_ERROR` says more, so it wins.
 *
 * @returns the exit status
 */
export async function tell(
  failure: ForeignFailure,
  command: RunCommand,
  context: RunContext,
): Promise<number> {
  let told: Failure = failure;
  if (command.kind === "sidecar") {
    try {
      assertNoTaskError(context.system.files, command.localDir);
    } catch (thrown) {
      if (thrown instanceof TaskFailure) told = failureOf(thrown, codeOf(command));
    }
  }
  return await report(told, command, context, failure.unlessDone ? outputsUri(command) : undefined);
}

function outputsUri(command: RunCommand): string | undefined {
  return command.kind === "sidecar" ? joinKey(command.outputPrefix, command.metaOutputName) : undefined;
}

/** Writes errors.pb, unless there is an object at `unless`; gives the exit status. */
async function report(
  failure: Failure,
  command: RunCommand,
  context: RunContext,
  unless?: string,
): Promise<number> {
  const { system, log } = context;
  const deadline = deadlineIn(system.clock, REPORT_MS, { what: "Error document" });
  const engine = new Engine(system, { memoryLimitBytes: 0, signal: deadline.signal });
  const untilMs = system.clock.monotonicMs() + REPORT_MS;
  const stores = openStores(command, context, { engine, untilMs });
  const verdict: VerdictContext = { stores, signal: engine.signal, log };
  try {
    if (unless !== undefined && await exists(unless, verdict)) {
      log.summary("nothing to do: the outputs are there from an earlier life of this container", {
        uri: unless,
      });
      return 0;
    }
    await writeVerdict(errorUri(command), { ...failure, message: context.mask(failure.message) }, verdict);
    return command.exitOnError ? 1 : 0;
  } catch (thrown) {
    log.error("cannot write the error document", { uri: errorUri(command), error: explain(thrown) });
    return 1;
  } finally {
    deadline.clear();
    await stores.close();
  }
}
