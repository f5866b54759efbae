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
import type { Log } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import type { Terminations } from "./terminations.ts";
import type { Exit, Watcher } from "./watcher.ts";
import { openWatchers, type Watchers } from "./watchers/mod.ts";

/** What is special about an upload. */
export interface UploadOccasion {
  /** UPLOAD_EAGER: resolves when main has ended, with what was wrong about that. */
  ended?: Promise<RunFailure | null>;
  /** What a failure of the outputs is told with: main was never seen, so that may be why one is missing. */
  caveat?: string;
}

/** What the sidecar takes from the world. */
export interface SidecarContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: Log;
  terminations: Terminations;
  /** Uploads; resolves to the exit status. */
  upload(command: SidecarCommand, occasion: UploadOccasion): Promise<number>;
  /** Whether an earlier life of this container has declared the outputs. */
  hasUploaded: boolean;
  /** Writes error.pb instead; resolves to the exit status. */
  report(command: SidecarCommand, failure: RunFailure): Promise<number>;
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
  if (ms === 0 || terminations.count > 0) return;
  log.info("waiting to be told to end", ms === Infinity ? {} : { seconds: ms / 1000 });
  const bound = deadlineIn(system.clock, ms === Infinity ? 0 : ms, { what: "Wait to be told to end" });
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
  log.info("waiting for the main container", { start: names.start.join(","), exit: names.exit.join(",") });
  let watchers: Watchers | undefined;
  try {
    watchers = await openWatchers(names, { system, env, log, terminations, command });
    const status = await watchWith(watchers, command, context)
      .catch((thrown) => context.report(command, cannotWatch(thrown, context)));
    return { status, lingerMs: Math.max(watchers.start.lingerMs(), watchers.exit.lingerMs()) };
  } catch (thrown) {
    return { status: await context.report(command, cannotWatch(thrown, context)), lingerMs: 0 };
  } finally {
    watchers?.close();
  }
}

async function watchWith(
  watchers: Watchers,
  command: SidecarCommand,
  context: SidecarContext,
): Promise<number> {
  const caveat = await started(watchers.start, command, context);
  if (caveat !== null) {
    context.log.warning(`${caveat}: its outputs are uploaded if all of them are there`);
    return await context.upload(command, { caveat });
  }
  const ended = watchEnd(watchers.exit, context);
  if (command.mode === "UPLOAD_EAGER") return await context.upload(command, { ended });
  const failure = await ended;
  return failure === null ? await context.upload(command, {}) : await context.report(command, failure);
}

/** Resolves when main has ended, with what is wrong about its end. */
async function watchEnd(watcher: Watcher, context: SidecarContext): Promise<RunFailure | null> {
  try {
    const exit = await watcher.waitForExit(new AbortController().signal);
    const { by, outcome, reason, exitCode } = exit;
    context.log.info("the main container has ended", { by, outcome, reason, exitCode });
    return outcome === "ended" ? null : badEnd(exit);
  } catch (thrown) {
    return cannotWatch(thrown, context);
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
  { system }: SidecarContext,
): Promise<string | null> {
  const bound = deadlineIn(system.clock, command.startTimeoutMs, { what: "Start of the main container" });
  try {
    await watcher.waitForStart(bound.signal);
    return null;
  } catch (thrown) {
    // A cancelled wait says so of itself; here it was cancelled by the bound, whose reason says more.
    const error = bound.signal.aborted ? bound.signal.reason : thrown;
    const { code, fault } = from(error, { action: "tell whether the main container has started" });
    if (bound.signal.aborted && watcher.mayHaveMissedMain()) {
      return `The main container was not seen within --start-timeout (${
        command.startTimeoutMs / 1000
      } s): ${watcher.describe()}`;
    }
    throw new CopilotError(code, { ...fault, detail: `${fault.detail}: ${watcher.describe()}` });
  } finally {
    bound.clear();
  }
}
