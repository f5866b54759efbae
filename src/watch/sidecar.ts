/**
 * The sidecar's life: wait until main has started, wait until it has ended, upload, and end in a way that fits its container.
 *
 * Nothing of the storage code is loaded while it waits, so that waiting costs little memory.
 * @module
 */
import type { SidecarCommand } from "../cli/mod.ts";
import { deadlineIn } from "../system/deadline.ts";
import { CopilotError, explain, from } from "../errors.ts";
import type { Log } from "../system/log.ts";
import type { ForeignFailure } from "../run/context.ts";
import type { System } from "../system/mod.ts";
import type { Terminations } from "./terminations.ts";
import type { Exit, Watcher } from "./watcher.ts";
import { openWatchers, type Watchers } from "./watchers/mod.ts";

/** What the sidecar takes from the world. */
export interface SidecarContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: Log;
  terminations: Terminations;
  /**
   * Uploads; resolves to the exit status.
   *
   * @param ended for UPLOAD_EAGER: resolves when main has ended, with what was wrong about that
   */
  upload(command: SidecarCommand, ended?: Promise<ForeignFailure | null>): Promise<number>;
  /** Writes errors.pb instead; resolves to the exit status. */
  tell(command: SidecarCommand, failure: ForeignFailure): Promise<number>;
}

/**
 * Waits for the main container, then uploads, or tells why not.
 *
 * @returns the exit status
 */
export async function runSidecar(command: SidecarCommand, context: SidecarContext): Promise<number> {
  const status = await watchAndAct(command, context);
  if (staysAfter(command) && context.terminations.count === 0) {
    // A native sidecar that ends before it is told to is started again, and again (tektoncd/pipeline#9095).
    context.log.info("waiting to be told to end");
    await context.terminations.next(0, new AbortController().signal);
  }
  return status;
}

async function watchAndAct(command: SidecarCommand, context: SidecarContext): Promise<number> {
  const { env, log, system, terminations } = context;
  const names = { start: command.startWatchers, exit: command.exitWatchers };
  log.info("waiting for the main container", { start: names.start.join(","), exit: names.exit.join(",") });
  let watchers: Watchers | undefined;
  try {
    watchers = await openWatchers(names, { system, env, log, terminations, command });
    await started(watchers.start, command, context);
    const ended = watchEnd(watchers.exit, context);
    if (command.mode === "UPLOAD_EAGER") return await context.upload(command, ended);
    const failure = await ended;
    return failure === null ? await context.upload(command) : await context.tell(command, failure);
  } catch (thrown) {
    return await context.tell(command, cannotWatch(thrown, context));
  } finally {
    watchers?.close();
  }
}

/** Resolves when main has ended, with what is wrong about its end. */
async function watchEnd(watcher: Watcher, context: SidecarContext): Promise<ForeignFailure | null> {
  try {
    const exit = await watcher.waitForExit(new AbortController().signal);
    const { by, outcome, reason, exitCode } = exit;
    context.log.info("the main container has ended", { by, outcome, reason, exitCode });
    return outcome === "ended" ? null : { ...badEnd(exit), unlessDone: true };
  } catch (thrown) {
    return cannotWatch(thrown, context);
  }
}

function cannotWatch(thrown: unknown, { log }: SidecarContext): ForeignFailure {
  const message = explain(from(thrown, "Cannot watch the main container"));
  log.error("cannot watch the main container", { error: message });
  return { message, unlessDone: true };
}

/**
 * What errors.pb says of a main container that is known to have ended badly, or was still running when the pod was stopped. What it
 * left is then not declared to be its outputs, however complete it looks: the last file may be half written.
 */
function badEnd({ outcome, reason, exitCode, message, by }: Exit): { code: string; message: string } {
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
  };
}

function staysAfter(command: SidecarCommand): boolean {
  if (command.exitAfterUpload !== "auto") return !command.exitAfterUpload;
  return command.startWatchers.includes("signal") || command.exitWatchers.includes("signal");
}

async function started(watcher: Watcher, command: SidecarCommand, { system }: SidecarContext): Promise<void> {
  const bound = deadlineIn(system.clock, command.startTimeoutMs, { what: "Start of the main container" });
  try {
    await watcher.waitForStart(bound.signal);
  } catch (thrown) {
    // A cancelled wait says so of itself; here it was cancelled by the bound, whose reason says more.
    const error = bound.signal.aborted ? bound.signal.reason : thrown;
    const { code, message } = from(error, "Cannot tell whether the main container has started");
    throw new CopilotError(code, `${message}: ${watcher.describe()}`, { cause: thrown });
  } finally {
    bound.clear();
  }
}
