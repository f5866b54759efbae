/**
 * What Redis's errors mean here.
 * @module
 */
import { CopilotError, type ErrorCode, type Operation } from "../../../errors.ts";
import type { Fault } from "./resp.ts";

/** By the first word of the error. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["NOAUTH", "denied"],
  ["WRONGPASS", "denied"],
  ["NOPERM", "denied"],
  ["DENIED", "denied"],
  ["LOADING", "unavailable"],
  ["BUSY", "unavailable"],
  ["MASTERDOWN", "unavailable"],
  ["CLUSTERDOWN", "unavailable"],
  ["TRYAGAIN", "unavailable"],
  ["READONLY", "unavailable"],
  ["NOREPLICAS", "unavailable"],
  ["MISCONF", "unavailable"],
  ["OOM", "disk-full"],
  ["WRONGTYPE", "unsupported"],
  ["MOVED", "unsupported"],
  ["ASK", "unsupported"],
]);

/** By the text behind `ERR`. */
const MESSAGES: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^no such key/, "not-found"],
  [/^max number of clients/, "throttled"],
  [/password|AUTH/, "denied"],
  [/maximum allowed size|invalid bulk length/, "unsupported"],
];

const HINTS: Readonly<Record<string, string>> = {
  NOAUTH: "check username and password in the settings for redis",
  WRONGPASS: "check username and password in the settings for redis",
  NOPERM: "check the rights of the user (ACL)",
  MOVED: "the server belongs to a Redis Cluster, expected a single server or a proxy in front",
  WRONGTYPE: "the key holds no string, expected an object that was stored as one",
  OOM: "the server's memory is full (maxmemory)",
};

/** Why a transaction was discarded, where EXEC itself was refused: nothing else tells it then. */
const DISCARDED = /^Transaction discarded because of: ([A-Z]+) /;

/**
 * The error for a fault.
 */
export function redisError(fault: Fault, operation: Operation): CopilotError {
  const { message } = fault;
  const code = DISCARDED.exec(message)?.[1] ?? fault.code;
  const known = CODES.get(code) ?? MESSAGES.find(([pattern]) => pattern.test(message))?.[1];
  const hint = HINTS[code];
  // deno-lint-ignore no-control-regex -- control characters are what is removed
  const words = `${fault.code} ${message}`.replace(/[\0-\x1f\x7f]+/g, " ").trim().slice(0, 300);
  return new CopilotError(
    // Another `ERR` is a command or an argument that the server does not know, and would not know the next time either.
    known ?? (code === "ERR" ? "unsupported" : "unavailable"),
    { ...operation, detail: `${words}${hint === undefined ? "" : `; ${hint}`}` },
  );
}
