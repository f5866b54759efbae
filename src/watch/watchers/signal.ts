/**
 * Native sidecars: the kubelet sends SIGTERM once main has ended. Main is taken to have started at once.
 * @module
 */
import { cancelled, throwIfAborted } from "../abort.ts";
import type { WatcherContext } from "../context.ts";
import type { SigtermCounter } from "../sigterm_counter.ts";
import type { Exit, Watcher } from "../watcher.ts";

class SignalWatcher implements Watcher {
  readonly name = "signal";
  readonly #terminations: SigtermCounter;
  readonly #closed = new AbortController();

  constructor(terminations: SigtermCounter) {
    this.#terminations = terminations;
  }

  // deno-lint-ignore require-await
  async waitForStart(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#closed.signal.aborted) throw cancelled();
  }

  async waitForExit(signal: AbortSignal): Promise<Exit> {
    await this.#terminations.next(0, AbortSignal.any([signal, this.#closed.signal]));
    return {
      outcome: "ended",
      by: this.name,
      message: "SIGTERM came, as it does once the main container has ended",
    };
  }

  describe(): string {
    return this.#terminations.count > 0 ? "SIGTERM has come" : "no SIGTERM has come yet";
  }

  mayHaveMissedMain(): boolean {
    return false;
  }

  lingerMs(): number {
    return Infinity;
  }

  close(): void {
    this.#closed.abort();
  }
}

/** Opens the watcher. */
export function open({ terminations }: WatcherContext): Watcher {
  return new SignalWatcher(terminations);
}
