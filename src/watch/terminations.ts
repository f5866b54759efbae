/**
 * Requests to end (SIGTERM, SIGINT), counted from the program's first moment on.
 * @module
 */
import { CopilotError } from "../errors.ts";

/** What main.ts hears of signals, for whoever waits for them. */
export class Terminations {
  #count = 0;
  #waiters = new Set<() => void>();

  /** How many came so far. */
  get count(): number {
    return this.#count;
  }

  /** Called for each signal. */
  deliver(): void {
    this.#count++;
    for (const wake of [...this.#waiters]) wake();
  }

  /** Resolves once more than `seen` have come; rejects with CopilotError `aborted` when `signal` fires. */
  next(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#count > seen) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#waiters.delete(wake);
        signal.removeEventListener("abort", stop);
        settle();
      };
      const wake = () => end(resolve);
      const stop = () => end(() => reject(new CopilotError("aborted", "Wait cancelled")));
      this.#waiters.add(wake);
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
    });
  }
}
