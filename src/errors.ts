/**
 * The one error type of the program, and the only door through which foreign errors become it.
 *
 * Pure: knows no runtime, no SDK. A foreign error is recognised by its name, `code` and HTTP status.
 * @module
 */
import { shownUri } from "./text/shown_uri.ts";

/**
 * What went wrong, as a closed set. Everything that has to decide (retry or not, exit status, kind of the
 * error document) decides on the code, never on a message.
 */
export type ErrorCode =
  /** A flag, argument or environment value that cannot be used: exit status 2, nothing moved. */
  | "usage"
  /** A configuration file or a combination of settings that cannot be used. */
  | "config"
  /** The object, prefix, bucket or file does not exist. */
  | "not-found"
  /** The store or the file system refuses: 401, 403, EACCES, or the run's own permissions. */
  | "denied"
  /** The object is another one than when the transfer began (ETag, If-Match, size). */
  | "changed"
  /** The store asks to slow down: 429, 503 SlowDown. */
  | "throttled"
  /** 408, 5xx and other passing faults of a server. */
  | "unavailable"
  /** Connections refused, reset, cut short; DNS that does not answer. */
  | "network"
  /** One step took longer than its own bound: a stalled read, a connect. */
  | "timeout"
  /** The run's deadline is over. */
  | "deadline"
  /** Cancelled from inside, because another part of the run failed or the process is ending. */
  | "aborted"
  /** Bytes differ from what a checksum or a size promised. */
  | "integrity"
  /** A LiteralMap, interface or other document that cannot be understood or represented. */
  | "input"
  /** What the task left behind does not fit its interface. */
  | "output"
  /** A name, key or symlink that would lead outside the run's directory. */
  | "path"
  /** No space or quota left on the device. */
  | "disk-full"
  /** Any other failure of the file system. */
  | "io"
  /** Something this program does not do, by decision. */
  | "unsupported"
  /** The task itself reported the failure (its `_ERROR` file, its exit code, OOM). */
  | "task"
  /** A fault of this program. */
  | "internal";

/** Codes for which trying the same request again can help. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(["throttled", "unavailable", "network", "timeout"]);

/** What happened, in parts. {@linkcode CopilotError} alone puts them into words. */
export interface Fault {
  /** What was being done, as a verb before the object: `read`, `complete the upload of`. */
  action?: string | undefined;
  /** The thing that the error is about: a URI or a path. Shown in quotes, as `shownUri` has it, with control characters escaped. */
  object?: string | undefined;
  /** What was between the program and the object: `from the metadata server`. */
  via?: string | undefined;
  /** What is wrong, and where it helps what was expected: `it is a directory, expected a file`. */
  detail: string;
  /** How often it was tried. */
  attempts?: Attempted | undefined;
  /** The part of the run that it was done for: `download variable files[2]`. */
  subject?: string | undefined;
  /** HTTP status where the error came from a reply. */
  status?: number | undefined;
  /** Milliseconds the server asked to wait (Retry-After). */
  retryAfterMs?: number | undefined;
  /** The error below this one. */
  cause?: unknown;
}

/** The attempts of an operation that has failed for good. */
export interface Attempted {
  count: number;
  /** What there was none left of for another attempt; undefined where none would have helped. */
  outOf?: "time" | "retries" | undefined;
}

/** What was being done, as far as an error tells it. */
export type Operation = Pick<Fault, "action" | "object" | "via" | "attempts" | "subject">;

/**
 * Every error that leaves a module of this program.
 *
 * Its message is `Cannot ACTION "OBJECT": DETAIL`, with the attempts and the subject where there are any; a fault without an
 * action is its detail. Nothing else words an error, and nothing edits a message: to say more, make another error of its fault.
 */
export class CopilotError extends Error {
  override readonly name = "CopilotError";
  readonly code: ErrorCode;
  readonly fault: Fault;

  /** @param fault what happened; a text is a detail without an action */
  constructor(code: ErrorCode, fault: Fault | string) {
    const parts = typeof fault === "string" ? { detail: fault } : shown(fault);
    super(inWords(parts), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = code;
    this.fault = parts;
  }

  /** The thing that the error is about. */
  get object(): string | undefined {
    return this.fault.object;
  }

  /** HTTP status where the error came from a reply. */
  get status(): number | undefined {
    return this.fault.status;
  }

  /** Milliseconds the server asked to wait. */
  get retryAfterMs(): number | undefined {
    return this.fault.retryAfterMs;
  }

  /** Whether the same request may succeed when sent again. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /** The same failure as part of a larger operation. Where that is about the same object, only the detail is repeated. */
  within(around: Operation): CopilotError {
    const { object, via, detail, status, retryAfterMs, cause } = this.fault;
    const isSame = object !== undefined && object === shown(around).object && via === around.via;
    return new CopilotError(this.code, {
      status,
      retryAfterMs,
      cause,
      ...around,
      detail: isSame ? detail : this.message,
    });
  }
}

/** With its object as messages may show it: whatever it is, a URI among them has no password and no signature. */
function shown<F extends { object?: string | undefined }>(fault: F): F {
  return fault.object === undefined ? fault : { ...fault, object: shownUri(fault.object) };
}

const OUT_OF = {
  time: ", with no time left for another",
  retries: ", with no retries left for the run",
};

function inWords({ subject, action, object, via, attempts, detail }: Fault): string {
  const done = action === undefined ? [] : [
    `Cannot ${action}`,
    ...(object === undefined ? [] : [JSON.stringify(object)]),
    ...(via === undefined ? [] : [via]),
  ];
  return [
    ...(subject === undefined ? [] : [`Cannot ${subject}`]),
    ...(done.length === 0 ? [] : [done.join(" ") + tried(attempts)]),
    detail,
  ].join(": ");
}

function tried(attempts: Attempted | undefined): string {
  if (attempts === undefined) return "";
  const { count, outOf } = attempts;
  return ` after ${count === 1 ? "1 attempt" : `${count} attempts`}${
    outOf === undefined ? "" : OUT_OF[outOf]
  }`;
}

/** A code and what is wrong: `{ changed: "it is another version now" }`. */
export type Why = { [Code in ErrorCode]: Record<Code, string> }[ErrorCode];

/**
 * An error with nothing behind it: `throw cannot("read", object, { changed: "it is another version now" })`. The object is left
 * out where the action says it all.
 */
export function cannot(action: string, ...rest: [object: string, why: Why] | [why: Why]): CopilotError {
  const [object, why] = rest.length === 2 ? rest : [undefined, ...rest];
  const [code, detail] = Object.entries(why)[0] as [ErrorCode, string];
  return new CopilotError(code, { action, object, detail });
}

/** Error names and `code` properties of runtimes and SDKs, and what they mean here. */
const FOREIGN: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["NotFound", "not-found"],
  ["ENOENT", "not-found"],
  ["PermissionDenied", "denied"],
  ["EACCES", "denied"],
  ["EPERM", "denied"],
  ["EROFS", "denied"],
  ["ENOSPC", "disk-full"],
  ["EDQUOT", "disk-full"],
  ["EFBIG", "disk-full"],
  ["ConnectionRefused", "network"],
  ["ConnectionReset", "network"],
  ["ConnectionAborted", "network"],
  ["BrokenPipe", "network"],
  ["UnexpectedEof", "network"],
  ["NetworkUnreachable", "network"],
  ["NotConnected", "network"],
  ["Http", "network"],
  ["ECONNREFUSED", "network"],
  ["ECONNRESET", "network"],
  ["EPIPE", "network"],
  ["ENOTFOUND", "network"],
  ["EAI_AGAIN", "network"],
  ["TimedOut", "timeout"],
  ["ETIMEDOUT", "timeout"],
  ["TimeoutError", "timeout"],
  ["AbortError", "aborted"],
  ["Interrupted", "aborted"],
]);

/**
 * Turns whatever was thrown into a {@linkcode CopilotError}; one that is one already comes back as it is.
 *
 * @param thrown what `catch` received
 * @param around what was being done
 * @param around.fallback the code where the error says nothing recognisable (default `internal`)
 */
export function from(thrown: unknown, { fallback = "internal", ...around }: FromOptions): CopilotError {
  if (thrown instanceof CopilotError) return thrown;
  if (!(thrown instanceof Error)) return new CopilotError(fallback, { ...around, detail: String(thrown) });
  if (thrown.name === "NotCapable") return notCapable(thrown, around);
  const osCode = (thrown as { code?: unknown }).code;
  const code = (typeof osCode === "string" ? FOREIGN.get(osCode) : undefined) ?? FOREIGN.get(thrown.name) ??
    fallback;
  return new CopilotError(code, { ...around, detail: thrown.message, cause: thrown });
}

/**
 * A right that the program has not given itself. The runtime's own words advise flags that nobody can give. A host is always known
 * before it is dialled, so one without permission is a fault of this program; a path may lead through a symlink.
 */
function notCapable(thrown: Error, around: Operation): CopilotError {
  const [, right = "", place] = /^Requires ([a-z]+) access(?: to "([^"]*)")?/.exec(thrown.message) ?? [];
  const what = `${right} access${place === undefined ? "" : ` to ${JSON.stringify(place)}`}`.trim();
  return right === "net"
    ? new CopilotError("internal", {
      ...around,
      detail: `the run needs ${what} and has not asked for it, which is a fault of copilot's own`,
    })
    : new CopilotError("denied", { ...around, detail: `the run may not have ${what}` });
}

/** What {@linkcode from} takes besides the error. */
export interface FromOptions extends Operation {
  fallback?: ErrorCode;
}

/**
 * The same failure with the part of the run that it happened in, unless it has one, or is no more than a cancelled wait.
 *
 * @param subject as {@linkcode Fault.subject}: `download variable files[2]`
 */
export function about(thrown: unknown, subject: string): CopilotError {
  const error = from(thrown, { subject });
  if (error.fault.subject !== undefined || error.code === "aborted") return error;
  return new CopilotError(error.code, { ...error.fault, subject });
}

/**
 * Which error code an HTTP status stands for.
 *
 * @param status an HTTP status outside 200-299
 */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 404 || status === 410) return "not-found";
  if (status === 401 || status === 403) return "denied";
  if (status === 412) return "changed";
  if (status === 429) return "throttled";
  if (status === 503) return "throttled";
  // What a server does not implement, and space that it has not got, are not there a minute later either.
  if (status === 501 || status === 505) return "unsupported";
  if (status === 507) return "disk-full";
  if (status === 408 || status >= 500) return "unavailable";
  return "config";
}

/**
 * The message of an error with those of its causes behind it, each once, for people.
 *
 * @param error any thrown value
 */
export function explain(error: unknown): string {
  const parts: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && e !== null && depth < 5; depth++) {
    const text = e instanceof Error ? e.message : String(e);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    e = e instanceof Error ? e.cause : undefined;
  }
  return parts.join(": ");
}
