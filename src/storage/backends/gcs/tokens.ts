/**
 * Access tokens: fetched when first needed, kept until shortly before they expire, one request at a time whoever asks.
 * @module
 */
import type { Secret } from "../../../config/mod.ts";
import { CopilotError } from "../../../errors.ts";
import type { Clock } from "../../../system/mod.ts";
import { orAborted } from "../../../system/abort.ts";

/** A token and its end. */
export interface AccessToken {
  value: Secret;
  /** Milliseconds since 1970. */
  expiresAtMs: number;
}

/** Gets a token from where tokens come from. */
export type FetchToken = () => Promise<AccessToken>;

/**
 * A token is renewed this long before its end. The metadata server gives the same one until four minutes before, so that to
 * ask earlier would be to ask for every request.
 */
const RENEW_BEFORE_MS = 225_000;
/** A token with less left than this is not used even where no other can be had: a request has to arrive with it. */
const LAST_USE_MS = 10_000;

/** The tokens of one store. */
export class Tokens {
  readonly #fetch: FetchToken;
  readonly #clock: Pick<Clock, "nowMs">;
  #current: AccessToken | null = null;
  #renewAtMs = 0;
  #pending: Promise<AccessToken> | null = null;

  constructor(fetch: FetchToken, clock: Pick<Clock, "nowMs">) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /**
   * A token that is good for a request.
   *
   * @param object URI that it is for
   * @throws CopilotError as the source throws, `aborted`
   */
  async get(signal: AbortSignal, object: string): Promise<AccessToken> {
    const nowMs = this.#clock.nowMs();
    const current = this.#current;
    if (current !== null && nowMs < this.#renewAtMs) return current;
    try {
      return await orAborted(this.#renew(), signal, object);
    } catch (thrown) {
      const isPassing = thrown instanceof CopilotError && thrown.retryable;
      if (
        isPassing && current !== null && current === this.#current &&
        nowMs < current.expiresAtMs - LAST_USE_MS
      ) {
        return current;
      }
      throw thrown;
    }
  }

  /** The store refused this token: the next request gets another. */
  reject(token: AccessToken): void {
    if (this.#current === token) this.#current = null;
  }

  #renew(): Promise<AccessToken> {
    this.#pending ??= this.#fetch().then((token) => {
      const nowMs = this.#clock.nowMs();
      const leftMs = token.expiresAtMs - nowMs;
      this.#renewAtMs = nowMs + Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2);
      return this.#current = token;
    }).finally(() => this.#pending = null);
    return this.#pending;
  }
}
