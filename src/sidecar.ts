/**
 * The sidecar's life: wait until main has started, wait until it has ended, then upload, then exit.
 *
 * Nothing of the storage code is loaded while it waits, so that waiting costs little memory.
 * @module
 */
import type { SidecarCommand } from "./cli.ts";
import { deadlineIn } from "./deadline.ts";
import { CopilotError, from } from "./errors.ts";
import type { Log } from "./log.ts";
import type { System } from "./system.ts";
import type { Terminations } from "./watch/terminations.ts";
import type { Exit, Watcher } from "./watch/watcher.ts";
import { openWatchers } from "./watch/watchers/mod.ts";

/** What waiting takes. */
export interface SidecarContext {
  system: System;
  env: Readonly<Record<string, string>>;
  log: Log;
  terminations: Terminations;
  /** Uploads; resolves to the exit status. */
  upload(command: SidecarCommand): Promise<number>;
}

/**
 * Waits for the main container, then uploads.
 *
 * @returns the exit status
 */
export async function waitForMain(command: SidecarCommand, context: SidecarContext): Promise<number> {
  const { log } = context;
  log.info("waiting for the main container", {
    start: command.startWatchers.join(","),
    exit: command.exitWatchers.join(","),
  });
  const exit = await watch(command, context);
  log.info("the main container has ended", { by: exit.by, outcome: exit.outcome, reason: exit.reason });
  return await context.upload(command);
}

async function watch(command: SidecarCommand, context: SidecarContext): Promise<Exit> {
  const names = { start: command.startWatchers, exit: command.exitWatchers };
  const { start, exit, close } = await openWatchers(names, watcherContext(command, context));
  try {
    await started(start, command, context);
    return await exit.waitForExit(new AbortController().signal);
  } finally {
    close();
  }
}

function watcherContext(command: SidecarCommand, context: SidecarContext) {
  const { system, env, log, terminations } = context;
  return { system, env, log, terminations, command };
}

async function started(watcher: Watcher, command: SidecarCommand, { system }: SidecarContext): Promise<void> {
  const bound = deadlineIn(system.clock, command.startTimeoutMs, { what: "Start of the main container" });
  try {
    await watcher.waitForStart(bound.signal);
  } catch (thrown) {
    // A wait that ran out of time knows only that it was cancelled: the bound says why, the watcher what it has seen.
    if (!bound.signal.aborted) throw thrown;
    const error = from(bound.signal.reason, "Cannot tell whether the main container has started");
    throw new CopilotError(error.code, `${error.message}: ${watcher.describe()}`, { cause: error });
  } finally {
    bound.clear();
  }
}
