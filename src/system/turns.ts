/**
 * Turns for timers, signals and messages in the middle of work that never waits for anything.
 *
 * File operations are synchronous, so a copy from one local file to another would keep the event loop to itself until it is over, and
 * neither the run's deadline nor SIGTERM would be heard.
 * @module
 */
import type { Clock } from "./mod.ts";

/** Milliseconds of work between two turns. */
const TURN_MS = 100;

/** Counts the time since the last turn. */
export class Turns {
  readonly #clock: Pick<Clock, "monotonicMs" | "sleep">;
  #lastMs: number;

  constructor(clock: Pick<Clock, "monotonicMs" | "sleep">) {
    this.#clock = clock;
    this.#lastMs = clock.monotonicMs();
  }

  /** Resolves at once, or when everything else had its turn, where it is time for one. To be called at each step of the work. */
  async take(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#lastMs < TURN_MS) return;
    await this.#clock.sleep(0);
    this.#lastMs = this.#clock.monotonicMs();
  }
}
