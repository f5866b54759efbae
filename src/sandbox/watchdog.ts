/**
 * Notices a Worker that does not answer: one that is lost in a loop takes note of neither its deadline nor a signal.
 * @module
 */
import type { Clock } from "../system/mod.ts";

/** Asks a Worker for an answer again and again, once there is a reason to. */
export class Watchdog {
  readonly #clock: Clock;
  readonly #ask: () => void;
  readonly #silent: () => void;
  readonly #closed = new AbortController();
  #boundMs = Infinity;
  /** Which watch goes on, so that one with a smaller bound takes the place of the one before. */
  #watch = 0;
  #isAnswered = false;

  /**
   * @param ask sends the Worker a question; {@linkcode answered} is to be called when it answers
   * @param silent called once, when no answer came in time
   */
  constructor(clock: Clock, { ask, silent }: { ask(): void; silent(): void }) {
    this.#clock = clock;
    this.#ask = ask;
    this.#silent = silent;
  }

  /** From now on every answer must come within `boundMs` milliseconds; called again, the smaller bound holds. */
  watch(boundMs: number): void {
    if (boundMs >= this.#boundMs) return;
    this.#boundMs = boundMs;
    this.#run(++this.#watch).catch(() => {});
  }

  /** As {@linkcode watch}, `afterMs` milliseconds from now. */
  watchAfter(afterMs: number, boundMs: number): void {
    this.#clock.sleep(afterMs, this.#closed.signal).then(() => this.watch(boundMs), () => {});
  }

  /** Takes the Worker for silent `afterMs` milliseconds from now, whatever it answers. */
  endAfter(afterMs: number): void {
    this.#clock.sleep(afterMs, this.#closed.signal).then(() => this.#end(), () => {});
  }

  /** The Worker has answered. */
  answered(): void {
    this.#isAnswered = true;
  }

  /** Nothing is asked from now on. */
  close(): void {
    this.#closed.abort();
  }

  #end(): void {
    if (this.#closed.signal.aborted) return;
    this.close();
    this.#silent();
  }

  async #run(watch: number): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted && watch === this.#watch) {
      this.#isAnswered = false;
      this.#ask();
      await this.#clock.sleep(this.#boundMs, signal);
      if (!this.#isAnswered && watch === this.#watch) this.#end();
    }
  }
}
