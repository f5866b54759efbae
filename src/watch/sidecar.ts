/**
 * The sidecar's life: wait until main has started, wait until it has ended, upload, and end in a way that fits its container.
 *
 * Nothing of the storage code is loaded while it waits, so that waiting costs little memory.
 * @module
 */
import { ErrorOrigin } from "../flyte/types.ts";
import type { RunFailure } from "../run/context.ts";
import type { SidecarCommand } from "../cli/mod.ts";
import { deadlineIn } from "../system/deadline.ts";
import { CopilotError, explain, from } from "../errors.ts";
import type { ConsoleLog, Fields } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import type { SigtermCounter } from "./sigterm_counter.ts";
import type { Exit, Watcher } from "./watcher.ts";
import { openWatchers, type Watchers } from "./watchers/mod.ts";

/** After so long the log says what is waited for. */
const HINT_AFTER_MS = 60_000;

/** What is special about an upload. */
export interface UploadOccasion {
  /** UPLOAD_EAGER: resolves when main has ended, with what was wrong about that. */
  ended?: Promise<RunFailure | null>;
  /** What a failure of the outputs is told with: main was never seen, so that may be why one is missing. */
  caveat?: string;
  /** Milliseconds between main's end and SIGKILL, where they are known. */
  graceMs?: number;
}

/** What the sidecar takes from the world. */
export interface SidecarContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: ConsoleLog;
  /** What the first line of the log says of this program and its limits. */
  about: Fields;
  terminations: SigtermCounter;
  /** Uploads; resolves to the exit status. */
  upload(command: SidecarCommand, occasion: UploadOccasion): Promise<number>;
  /** Whether an earlier life of this container has declared the outputs. */
  hasUploaded: boolean;
  /** Writes error.pb instead; resolves to the exit status. */
  report(command: SidecarCommand, failure: RunFailure): Promise<number>;
}

/** Says once what the sidecar waits for, when it has waited for a while: nothing else is logged that somebody would see. */
class Hint {
  readonly #closed = new AbortController();
  #awaited = "start";

  constructor({ system, log }: SidecarContext, watchers: Watchers) {
    system.clock.sleep(HINT_AFTER_MS, this.#closed.signal).then(
      () => {
        const watcher = this.#awaited === "start" ? watchers.start : watchers.exit;
        log.summary(`still waiting for the main container's ${this.#awaited}`, { seen: watcher.describe() });
      },
      () => {},
    );
  }

  waitsForEnd(): void {
    this.#awaited = "end";
  }

  close(): void {
    this.#closed.abort();
  }
}

/**
 * Waits for the main container, then uploads, or tells why not.
 *
 * @returns the exit status
 */
export async function runSidecar(command: SidecarCommand, context: SidecarContext): Promise<number> {
  const { status, lingerMs } = await watchAndAct(command, context);
  const { exitAfterUpload } = command;
  await linger(exitAfterUpload === "auto" ? lingerMs : exitAfterUpload ? 0 : Infinity, context);
  return status;
}

/** Waits to be told to end, for so long at most. */
async function linger(ms: number, { log, system, terminations }: SidecarContext): Promise<void> {
  const { interrupted } = terminations;
  if (ms === 0 || terminations.count > 0 || interrupted.aborted) return;
  log.info("waiting to be told to end", ms === Infinity ? {} : { seconds: ms / 1000 });
  const bound = deadlineIn(system.clock, ms === Infinity ? 0 : ms, {
    what: "Wait to be told to end",
    parent: interrupted,
  });
  await terminations.next(0, bound.signal).catch(() => {});
  bound.clear();
}

interface Acted {
  status: number;
  /** See {@linkcode Watcher.lingerMs}. */
  lingerMs: number;
}

async function watchAndAct(command: SidecarCommand, context: SidecarContext): Promise<Acted> {
  const { env, log, system, terminations } = context;
  const names = { start: command.startWatchers, exit: command.exitWatchers };
  log.summary("waiting for the main container", {
    ...context.about,
    start: names.start.join(","),
    exit: names.exit.join(","),
    main: wanted(command),
  });
  let watchers: Watchers | undefined;
  try {
    watchers = await openWatchers(names, { system, env, log, terminations, command });
    const status = await watchWith(watchers, command, context)
      .catch((thrown) => reportUnlessInterrupted(thrown, command, context));
    return { status, lingerMs: Math.max(watchers.start.lingerMs(), watchers.exit.lingerMs()) };
  } catch (thrown) {
    return { status: await reportUnlessInterrupted(thrown, command, context), lingerMs: 0 };
  } finally {
    watchers?.close();
  }
}

/** By what main is told from the other containers, in words. */
function wanted({ watchContainer, watchContainerId, localDir }: SidecarCommand): string {
  if (watchContainerId !== undefined) return `the container with the id ${watchContainerId}`;
  if (watchContainer !== undefined) return `the container named ${watchContainer}`;
  return `the container that mounts the volume of ${localDir}`;
}

async function watchWith(
  watchers: Watchers,
  command: SidecarCommand,
  context: SidecarContext,
): Promise<number> {
  const hint = new Hint(context, watchers);
  try {
    const caveat = await started(watchers.start, command, context);
    if (caveat !== null && context.hasUploaded) {
      return await context.report(command, { message: caveat, skipIfOutputsExist: true });
    }
    if (caveat !== null) {
      context.log.warning(`${caveat}: its outputs are uploaded if all of them are there`);
      return await context.upload(command, { caveat });
    }
    hint.waitsForEnd();
    const ended = watchEnd(watchers.exit, context).finally(() => hint.close());
    if (command.mode === "UPLOAD_EAGER") {
      return await context.upload(command, { ended: untilInterrupted(ended.then(({ failure }) => failure)) });
    }
    const { failure, graceMs } = await ended;
    if (failure !== null) return await context.report(command, failure);
    return await context.upload(command, graceMs === undefined ? {} : { graceMs });
  } finally {
    hint.close();
  }
}

/** The same promise, but one that is interrupted is never over: the upload that runs beside it is interrupted itself. */
function untilInterrupted<T>(ended: Promise<T>): Promise<T> {
  return ended.catch(() => new Promise<T>(() => {}));
}

async function reportUnlessInterrupted(
  thrown: unknown,
  command: SidecarCommand,
  context: SidecarContext,
): Promise<number> {
  if (!context.terminations.interrupted.aborted) {
    return await context.report(command, cannotWatch(thrown, context));
  }
  context.log.summary(
    "interrupted while waiting for the main container: nothing is uploaded, no document is written",
  );
  return 1;
}

interface MainEnd {
  failure: RunFailure | null;
  graceMs: number | undefined;
}

/**
 * Resolves when main has ended, with what is wrong about its end.
 *
 * @throws CopilotError `aborted` where somebody has interrupted the wait
 */
async function watchEnd(watcher: Watcher, context: SidecarContext): Promise<MainEnd> {
  const { interrupted } = context.terminations;
  try {
    const exit = await watcher.waitForExit(interrupted);
    const { by, outcome, reason, exitCode, graceMs } = exit;
    context.log.info("the main container has ended", { by, outcome, reason, exitCode });
    return { failure: outcome === "ended" ? null : badEnd(exit), graceMs };
  } catch (thrown) {
    if (interrupted.aborted) throw interrupted.reason;
    return { failure: cannotWatch(thrown, context), graceMs: undefined };
  }
}

function cannotWatch(thrown: unknown, { log, hasUploaded }: SidecarContext): RunFailure {
  const message = explain(from(thrown, { action: "watch the main container" }));
  log.error("cannot watch the main container", { error: message });
  return { message, skipIfOutputsExist: hasUploaded };
}

/**
 * What error.pb says of a main container that is known to have ended badly, or was still running when the pod was stopped. What it
 * left is then not declared to be its outputs, however complete it looks: the last file may be half written.
 */
function badEnd({ outcome, reason, exitCode, message, by }: Exit): RunFailure {
  const what = outcome === "failed"
    ? "The main container failed"
    : "The pod was stopped while the main container still ran";
  const facts = [
    reason,
    exitCode === undefined ? undefined : `exit code ${exitCode}`,
    message,
    `seen by ${by}`,
  ].filter((fact) => fact !== undefined && fact !== "");
  const code = outcome === "failed" ? "MainContainerFailed" : "MainContainerInterrupted";
  return {
    code: reason === "OOMKilled" || reason === "Evicted" ? reason : code,
    message: `${what}: ${facts.join(", ")}`,
    origin: outcome === "failed" && reason !== "Evicted" ? ErrorOrigin.USER : ErrorOrigin.SYSTEM,
  };
}

/**
 * Waits for main's start.
 *
 * @returns null once main has started; a caveat where the bound is over and main may have come and gone unseen, as in an ordinary
 *   sidecar that was started after it
 * @throws CopilotError where main cannot be watched, or the bound is over while something runs that may be main
 */
async function started(
  watcher: Watcher,
  command: SidecarCommand,
  { system, terminations }: SidecarContext,
): Promise<string | null> {
  const bound = deadlineIn(system.clock, command.startTimeoutMs, {
    what: "Start of the main container",
    parent: terminations.interrupted,
  });
  try {
    await watcher.waitForStart(bound.signal);
    return null;
  } catch (thrown) {
    // A cancelled wait says so of itself; here it was cancelled by the bound, whose reason says more.
    const error = bound.signal.aborted ? bound.signal.reason : thrown;
    const { code, fault } = from(error, { action: "tell whether the main container has started" });
    if (code === "deadline" && watcher.mayHaveMissedMain()) {
      return `The main container was not seen within --start-timeout (${
        command.startTimeoutMs / 1000
      } s): ${watcher.describe()}`;
    }
    throw new CopilotError(code, { ...fault, detail: `${fault.detail}: ${watcher.describe()}` });
  } finally {
    bound.clear();
  }
}
