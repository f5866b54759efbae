/**
 * Watches nothing: main is taken to have started and ended, for one-shot uploads.
 * @module
 */
import { throwIfAborted } from "../abort.ts";
import type { Exit, Watcher } from "../watcher.ts";

class NoopWatcher implements Watcher {
  readonly name = "noop";
  readonly #closed = new AbortController();

  // deno-lint-ignore require-await
  async waitForStart(signal: AbortSignal): Promise<void> {
    throwIfAborted(AbortSignal.any([signal, this.#closed.signal]));
  }

  async waitForExit(signal: AbortSignal): Promise<Exit> {
    await this.waitForStart(signal);
    return { outcome: "ended", by: this.name, message: "Nothing is watched" };
  }

  describe(): string {
    return "nothing is watched";
  }

  mayHaveMissedMain(): boolean {
    return false;
  }

  lingerMs(): number {
    return 0;
  }

  close(): void {
    this.#closed.abort();
  }
}

/** Opens the watcher. */
export function open(): Watcher {
  return new NoopWatcher();
}
