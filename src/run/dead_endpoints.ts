/**
 * Says in the log which host cannot be reached, long before the retries are over.
 * @module
 */
import type { Log } from "../system/log.ts";
import type { Clock } from "../system/mod.ts";
import type { RetryEvent } from "../storage/retry.ts";

/** Failed tries of one operation before anybody is told: a passing fault is over by then. */
const TRIES = 3;
/** Milliseconds between two lines about one host. */
const INTERVAL_MS = 30_000;

/** A listener for retries that warns of hosts to which no connection can be opened. */
export function deadEndpointWarnings(
  log: Log,
  clock: Pick<Clock, "monotonicMs">,
): (event: RetryEvent) => void {
  const toldMs = new Map<string, number>();
  return ({ error, attempt, waitMs }) => {
    const { action, object: host, detail } = error.fault;
    if (action !== "connect to" || host === undefined || attempt < TRIES) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - (toldMs.get(host) ?? -Infinity) < INTERVAL_MS) return;
    toldMs.set(host, nowMs);
    log.warning("cannot connect, trying again", {
      host,
      error: detail,
      attempts: attempt,
      nextInSeconds: Math.ceil(waitMs / 100) / 10,
    });
  };
}
