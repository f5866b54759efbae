/**
 * Cancelling waits.
 * @module
 */
import { CopilotError } from "../errors.ts";

/** The error of a wait that was cancelled. */
export function cancelled(): CopilotError {
  return new CopilotError("aborted", "Wait for the main container cancelled");
}

/** @throws CopilotError `aborted` where the signal has fired */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled();
}

/** How several waits become one. */
export interface RaceOptions {
  /** Cancels all of them. */
  signal: AbortSignal;
  /** `any`: the first that succeeds, failures only when all have failed. `first`: the first that is over, well or not. */
  mode: "any" | "first";
}

/**
 * Runs waits side by side until one is over, cancels the others and waits until they have stopped.
 *
 * @returns what the deciding wait gave
 * @throws CopilotError `aborted` when the signal fires, else the failure of the deciding wait; with `any` that of the first one named
 */
export async function race<T>(
  waits: readonly ((signal: AbortSignal) => Promise<T>)[],
  { signal, mode }: RaceOptions,
): Promise<T> {
  throwIfAborted(signal);
  const losers = new AbortController();
  const cancelOrWon = AbortSignal.any([signal, losers.signal]);
  const running = waits.map((wait) => wait(cancelOrWon));
  try {
    return await (mode === "any" ? Promise.any(running) : Promise.race(running));
  } catch (thrown) {
    if (signal.aborted) throw cancelled();
    throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  } finally {
    losers.abort();
    await Promise.allSettled(running);
  }
}
