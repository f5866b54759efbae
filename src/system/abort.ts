/**
 * Waits that end when a signal fires, whatever they wait for.
 * @module
 */
import { CopilotError } from "../errors.ts";

function aborted(object: string): CopilotError {
  return new CopilotError("aborted", { detail: `Request for "${object}" cancelled`, object });
}

/** Throws CopilotError `aborted` once the signal has fired. @param object URI that the call is about */
export function throwIfAborted(signal: AbortSignal, object: string): void {
  if (signal.aborted) throw aborted(object);
}

/**
 * The result of a promise, or CopilotError `aborted` as soon as the signal fires; the promise's own end is ignored then.
 *
 * @param object URI that the call is about
 */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal, object: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted(object));
    const done = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop, { once: true });
    promise.finally(done).then(resolve, reject);
    if (signal.aborted) stop();
  });
}
