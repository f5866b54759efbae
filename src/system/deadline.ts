/**
 * Signals that fire after a time, on the program's one clock.
 * @module
 */
import { CopilotError } from "../errors.ts";
import type { Clock } from "./mod.ts";

/** A signal with a time bound. */
export interface Deadline {
  /** Fires with a CopilotError as reason: the parent's, or `deadline`. */
  signal: AbortSignal;
  /** When it fires, on the clock's monotonic time; Infinity where only the parent bounds it. */
  atMs: number;
  /** Ends the wait; the signal does not fire by time any more. */
  clear(): void;
}

/**
 * A signal that fires after `ms` milliseconds or with its parent, whichever is first.
 *
 * @param ms 0 means no bound
 * @param options.what what ran out of time, as the subject of a message: `Download`
 * @param options.spentMs how much of the time is over already (default 0)
 */
export function deadlineIn(
  clock: Clock,
  ms: number,
  options: { what: string; parent?: AbortSignal; spentMs?: number },
): Deadline {
  const controller = new AbortController();
  const done = new AbortController();
  const { parent, spentMs = 0 } = options;
  const leftMs = Math.max(0, ms - spentMs);
  const follow = () => controller.abort(parent!.reason);
  if (parent?.aborted) follow();
  else parent?.addEventListener("abort", follow, { once: true, signal: done.signal });
  if (ms > 0) {
    clock.sleep(leftMs, done.signal).then(
      () =>
        controller.abort(new CopilotError("deadline", `${options.what} not finished within ${ms / 1000} s`)),
      () => {},
    );
  }
  const atMs = ms > 0 ? clock.monotonicMs() + leftMs : Infinity;
  return { signal: controller.signal, atMs, clear: () => done.abort() };
}

/** A signal that fires `ms` milliseconds after another one, with its reason. */
export function graceAfter(clock: Clock, parent: AbortSignal, ms: number): Omit<Deadline, "atMs"> {
  const controller = new AbortController();
  const done = new AbortController();
  const follow = () => {
    clock.sleep(ms, done.signal).then(() => controller.abort(parent.reason), () => {});
  };
  if (parent.aborted) follow();
  else parent.addEventListener("abort", follow, { once: true, signal: done.signal });
  return { signal: controller.signal, clear: () => done.abort() };
}
