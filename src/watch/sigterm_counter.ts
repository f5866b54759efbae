/**
 * The SIGTERMs that the process has received, for everyone who waits for one, and SIGINT, which is another wish: in a native
 * sidecar SIGTERM asks for the upload, at a terminal Ctrl-C asks to stop.
 *
 * The program's first act is to make one of these and to let the signal handler feed it, so a signal that came before anyone
 * waited is not lost (flyteorg/flyte#6501).
 * @module
 */
import { CopilotError } from "../errors.ts";

/** Counts terminations and wakes those who wait for them. */
export class SigtermCounter {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  readonly #interrupted = new AbortController();
  #interruptsEndTask = false;

  /** Fires, with a CopilotError `aborted`, once somebody at the terminal (SIGINT) wants everything to end. */
  get interrupted(): AbortSignal {
    return this.#interrupted.signal;
  }

  /** From now on SIGINT counts as a termination: it is meant for the task's command, which the terminal sends it to as well. */
  leaveInterruptsToTask(): void {
    this.#interruptsEndTask = true;
  }

  /**
   * Called by the signal handler for SIGINT.
   *
   * @returns whether there is still something to end in order: not for the second one
   */
  interrupt(): boolean {
    if (this.#interruptsEndTask) {
      this.deliver();
      return true;
    }
    if (this.#interrupted.signal.aborted) return false;
    this.#interrupted.abort(
      new CopilotError(
        "aborted",
        "Interrupted by SIGINT: nothing more is moved, and what is unfinished is removed",
      ),
    );
    return true;
  }

  /** How many have been received so far. */
  get count(): number {
    return this.#count;
  }

  /** Called by the signal handler. */
  deliver(): void {
    this.#count++;
    for (const wake of [...this.#waiting]) wake();
  }

  /**
   * Resolves once more than `after` have been received: at once where that is so already.
   *
   * @param after 0 for the first termination, 1 for the second
   * @throws CopilotError `aborted` when `signal` fires first
   */
  next(after: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(look);
        signal.removeEventListener("abort", stop);
      };
      const look = () => {
        if (this.#count <= after) return;
        done();
        resolve();
      };
      const stop = () => {
        done();
        reject(new CopilotError("aborted", "Wait for a termination cancelled"));
      };
      if (signal.aborted) return stop();
      this.#waiting.add(look);
      signal.addEventListener("abort", stop, { once: true });
      look();
    });
  }
}
