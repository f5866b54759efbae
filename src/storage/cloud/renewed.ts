/**
 * Credentials that run out: fetched when first needed, kept until shortly before their end, one request at a time whoever asks.
 * @module
 */
import type { Clock } from "../../system/mod.ts";

/** Something with an end. */
export interface Expiring {
  /** Milliseconds since 1970; absent for what does not run out. */
  readonly expiresAtMs?: number;
}

/** A renewal begins this long before the end, or at half time where that is later: some services give the same token until then. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** After a renewal that failed, while what is at hand is still good. */
const PAUSE_MS = 30_000;
/** What has less left than this is not used even where nothing else can be had: a request has to arrive with it. */
const LAST_USE_MS = 10_000;

/** The credentials of one store. A renewal gives another object. */
export class Renewed<T extends Expiring> {
  readonly #fetch: () => Promise<T>;
  readonly #clock: Pick<Clock, "nowMs">;
  #current: T | null = null;
  #renewAtMs = Infinity;
  #pending: Promise<T> | null = null;

  /** @param fetch gets new ones; called for one caller of many, so its errors must not speak of the caller's request */
  constructor(fetch: () => Promise<T>, clock: Pick<Clock, "nowMs">) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** What is good for a request now, or a promise of it, which rejects as `fetch` does. */
  get(): T | Promise<T> {
    const current = this.#current;
    if (current !== null && this.#clock.nowMs() < this.#renewAtMs) return current;
    return current === null ? this.#renew() : this.#renew().catch((thrown) => {
      const nowMs = this.#clock.nowMs();
      if (current !== this.#current || nowMs >= current.expiresAtMs! - LAST_USE_MS) throw thrown;
      this.#renewAtMs = Math.min(nowMs + PAUSE_MS, current.expiresAtMs! - LAST_USE_MS);
      return current;
    });
  }

  /** A server refused these: the next request gets others. */
  forget(refused: T): void {
    if (this.#current === refused) this.#current = null;
  }

  #renew(): Promise<T> {
    this.#pending ??= this.#fetch().then((fresh) => {
      const nowMs = this.#clock.nowMs();
      const leftMs = (fresh.expiresAtMs ?? Infinity) - nowMs;
      this.#renewAtMs = nowMs + Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2);
      return this.#current = fresh;
    }).finally(() => this.#pending = null);
    return this.#pending;
  }
}
