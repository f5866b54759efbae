/**
 * The faults that the proxy can inject, and plans that say which request gets which.
 * @module
 */
import { Random } from "./random.ts";

/** A request as a plan sees it. */
export interface Asked {
  method: string;
  /** Path and query, as sent. */
  target: string;
  /** How often this method and target were asked for before. */
  nth: number;
}

/** One fault. `at` is a place in a body as a fraction in [0, 1). */
export type Fault =
  /** An error reply instead of the store's, after a while. The store sees nothing. */
  | { kind: "status"; status: number; code: string; retryAfterS?: number; delayMs?: number }
  /** The connection is reset before the request is read. */
  | { kind: "reset" }
  /** The store carries the request out; its reply is thrown away. */
  | { kind: "lost-reply" }
  /** The reply's body ends early, in good manners. */
  | { kind: "truncate"; at: number }
  /** The reply's body is cut by a reset. */
  | { kind: "reset-mid"; at: number }
  /** The reply's body stops coming, and the connection stays open. */
  | { kind: "stall"; at: number }
  /** The reply does not come, and the connection stays open. */
  | { kind: "silence" }
  /** The reply comes this slowly. */
  | { kind: "slow"; bytesPerSecond: number }
  /** Content-Range names another place. */
  | { kind: "wrong-range" }
  /** One byte of the reply's body is another; all headers stand. */
  | { kind: "corrupt"; at: number }
  /** One byte of the request's body is another. */
  | { kind: "corrupt-upload"; at: number }
  /** Status 200 with an error in the body. The store sees nothing. */
  | { kind: "late-error" }
  /** Something happens in the store just before the request gets there. */
  | { kind: "meanwhile"; act(): Promise<void> };

/** Which fault a request meets, if any. */
export type Plan = (asked: Asked) => Fault | null;

/** A plan that hits requests which a test likes, `times` times each. */
export function faultFor(
  fault: Fault,
  { matches = () => true, times = 1 }: { matches?(asked: Asked): boolean; times?: number },
): Plan {
  return (asked) => matches(asked) && asked.nth < times ? fault : null;
}

/** Faults that a retry heals, each made of some chance. */
const PASSING: readonly ((random: Random) => Fault)[] = [
  () => ({ kind: "status", status: 500, code: "InternalError" }),
  () => ({ kind: "status", status: 503, code: "SlowDown" }),
  () => ({ kind: "status", status: 429, code: "TooManyRequests" }),
  () => ({ kind: "status", status: 502, code: "" }),
  () => ({ kind: "status", status: 503, code: "SlowDown", retryAfterS: 1 }),
  () => ({ kind: "reset" }),
  () => ({ kind: "lost-reply" }),
  (random) => ({ kind: "truncate", at: random.next() }),
  (random) => ({ kind: "reset-mid", at: random.next() }),
  () => ({ kind: "wrong-range" }),
  (random) => ({ kind: "slow", bytesPerSecond: 2 ** (18 + random.below(6)) }),
  () => ({ kind: "late-error" }),
];

/** Which requests are what. */
export const isComplete = ({ method, target }: Asked) => method === "POST" && /[?&]uploadId=/.test(target);
export const isPart = ({ method, target }: Asked) => method === "PUT" && /[?&]partNumber=/.test(target);
export const isList = ({ method, target }: Asked) => method === "GET" && /[?&]list-type=2/.test(target);
export const isGet = (key: string) => ({ method, target }: Asked) =>
  method === "GET" && target.split("?")[0]!.endsWith(key);
export const isPut = (key: string) => ({ method, target }: Asked) =>
  method === "PUT" && target.split("?")[0]!.endsWith(key);

/**
 * A plan under which each request fails with a probability, in a way that a retry heals. The same seed gives each request, by
 * its method, target and number, the same fate in whatever order they come.
 *
 * @param options.corrupt probability of a wrong byte
 */
export function chaos(seed: number, options: { rate: number; corrupt?: number }): Plan {
  return (asked) => {
    const random = new Random(`${seed} ${asked.method} ${asked.target} ${asked.nth}`);
    if (random.chance(options.corrupt ?? 0)) {
      const at = random.next();
      if (asked.method === "PUT") return { kind: "corrupt-upload", at };
      // No store gives a checksum with a listing: there TLS has to keep the bytes.
      if (asked.method === "GET" && !asked.target.includes("?")) return { kind: "corrupt", at };
    }
    if (!random.chance(options.rate)) return null;
    const fault = random.pick(PASSING)(random);
    return fault.kind === "late-error" && !isComplete(asked) ? { kind: "reset" } : fault;
  };
}
