/**
 * The run's one pool of slots: how many transfers go on at once, found by trying.
 *
 * Every request of a run holds a slot, so concurrency, connections and buffers have one bound between them. The bound
 * grows while finishing faster and shrinks when a store asks to slow down (additive trial, multiplicative retreat).
 * @module
 */
import { CopilotError } from "../errors.ts";
import type { Clock } from "../system/mod.ts";

/** Bounds of a {@linkcode Pool}, in slots. */
export interface PoolLimits {
  /** Slots at the start. */
  start: number;
  /** Never fewer. */
  min: number;
  /** Never more. */
  max: number;
}

interface Waiter {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** A throughput gain below this is noise, and no reason to open more connections. */
const WORTHWHILE_GAIN = 1.1;
/** Windows in a row without that gain after which the number of slots is kept: one may be slow by chance. */
const FLAT_WINDOWS = 2;
/** Milliseconds after a retreat in which further complaints are about requests that were already out. */
const RETREAT_PAUSE_MS = 1000;

/** A counting semaphore whose count adapts. */
export class Pool {
  readonly #clock: Clock;
  readonly #limits: PoolLimits;
  #max: number;
  readonly #waiters: Waiter[] = [];
  #limit: number;
  #active = 0;
  #finishedInWindow = 0;
  #windowStartMs: number;
  #bestRate = 0;
  #flatWindows = 0;
  #settled = false;
  #lastRetreatMs = -Infinity;
  #failure: unknown;

  constructor(clock: Clock, limits: PoolLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#max = limits.max;
    this.#limit = limits.start;
    this.#windowStartMs = clock.monotonicMs();
  }

  /** Slots there are at present. */
  get limit(): number {
    return this.#limit;
  }

  /** Slots in use. */
  get active(): number {
    return this.#active;
  }

  /** Waits for a slot; the holder calls {@linkcode release} once. Rejects after {@linkcode fail}. */
  acquire(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#active < this.#limit) {
      this.#active++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Takes a slot that nobody waits for, or says no. */
  tryAcquire(): boolean {
    if (this.#failure !== undefined || this.#waiters.length > 0 || this.#active >= this.#limit) return false;
    this.#active++;
    return true;
  }

  /** Gives a slot back after a finished request. */
  release(): void {
    this.#active--;
    this.#measure();
    this.#wake();
  }

  /** From now on there are no more than so many slots, whoever holds one already. */
  atMost(slots: number): void {
    this.#max = Math.max(this.#limits.min, Math.min(this.#max, slots));
    this.#limit = Math.min(this.#limit, this.#max);
  }

  /** The store asked to slow down: fewer slots, at most once a second. */
  throttled(): void {
    const now = this.#clock.monotonicMs();
    if (now - this.#lastRetreatMs < RETREAT_PAUSE_MS) return;
    this.#lastRetreatMs = now;
    this.#limit = Math.max(this.#limits.min, Math.floor(this.#limit / 2));
    this.#settled = true;
  }

  /** Nobody gets a slot any more: the run has failed. */
  fail(error: unknown): void {
    this.#failure ??= error ?? new CopilotError("aborted", "Transfer cancelled");
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
  }

  #wake(): void {
    while (this.#active < this.#limit && this.#waiters.length > 0) {
      this.#active++;
      this.#waiters.shift()!.resolve();
    }
  }

  /** Doubles the slots as long as a window of twice as many finished requests as there are slots was clearly faster. */
  #measure(): void {
    this.#finishedInWindow++;
    if (this.#settled || this.#finishedInWindow < this.#limit * 2) return;
    const now = this.#clock.monotonicMs();
    const rate = this.#finishedInWindow / Math.max(now - this.#windowStartMs, 0.001);
    this.#finishedInWindow = 0;
    this.#windowStartMs = now;
    if (rate < this.#bestRate * WORTHWHILE_GAIN) {
      this.#settled = ++this.#flatWindows === FLAT_WINDOWS;
      return;
    }
    this.#flatWindows = 0;
    this.#bestRate = rate;
    this.#limit = Math.min(this.#max, this.#limit * 2);
    this.#settled = this.#limit === this.#max;
  }
}
