/**
 * How many streams a large object gets: few where each is fast, many where the store bounds the rate of a connection.
 *
 * One thread reads them all, so more streams than it takes to keep it busy only push each other's bytes out of the processor's caches: on a
 * fast server sixteen cost a quarter more CPU than two (bench/NOTES.md).
 * @module
 */
import type { Clock } from "../system/mod.ts";

const MIB = 1024 * 1024;
/** Streams that are tried first. */
const FEW = 2;
/** At 60 MB/s each, what stores give a connection, sixteen fill ten gigabits, and more cost memory only. */
export const MANY_STREAMS = 16;
/** Bytes per millisecond of the few, taken together, from which on they are enough: no store bounds a connection at so much. */
const ENOUGH = 300_000;
/** Bytes by which the first judgement comes, and those between later ones: the rate may be lower once a store's burst is over. */
const FIRST_WINDOW_BYTES = 8 * MIB;
const LATER_WINDOW_BYTES = 64 * MIB;

/** Watches one object's bytes as they come. */
export class StreamLimit {
  readonly #clock: Clock;
  #limit = FEW;
  /** Undefined until the first bytes have come: how long a server takes to begin says nothing of its rate. */
  #windowStartMs: number | undefined;
  #windowBytes = FIRST_WINDOW_BYTES;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Streams that the object may have at present. Never falls. */
  get limit(): number {
    return this.#limit;
  }

  /** Counts bytes of any stream. @returns whether the limit has risen */
  came(bytes: number): boolean {
    if (this.#windowStartMs === undefined) {
      this.#windowStartMs = this.#clock.monotonicMs();
      return false;
    }
    this.#bytes += bytes;
    if (this.#limit === MANY_STREAMS || this.#bytes < this.#windowBytes) return false;
    const now = this.#clock.monotonicMs();
    if (this.#bytes < ENOUGH * (now - this.#windowStartMs)) this.#limit = MANY_STREAMS;
    this.#windowStartMs = now;
    this.#windowBytes = LATER_WINDOW_BYTES;
    this.#bytes = 0;
    return this.#limit === MANY_STREAMS;
  }
}
