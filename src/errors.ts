/**
 * The one error type of the program, and the only door through which foreign errors become it.
 *
 * Pure: knows no runtime, no SDK. A foreign error is recognised by its name, `code` and HTTP status.
 * @module
 */

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

/** What {@linkcode CopilotError} takes besides code and message. */
export interface CopilotErrorOptions {
  /** The thing that the error is about: a URI, a path, a variable, a flag. Never a secret. */
  object?: string;
  /** The error below this one. */
  cause?: unknown;
  /** Milliseconds the server asked to wait (Retry-After). */
  retryAfterMs?: number;
  /** HTTP status where the error came from a reply. */
  status?: number;
}

/**
 * Every error that leaves a module of this program.
 *
 * The message starts with a capital letter, names the action, the quoted thing, the value and what was wanted,
 * and ends without a period.
 */
export class CopilotError extends Error {
  override readonly name = "CopilotError";
  readonly code: ErrorCode;
  readonly object: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;

  constructor(code: ErrorCode, message: string, options: CopilotErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.object = options.object;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }

  /** Whether the same request may succeed when sent again. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

/** Error names and `code` properties of runtimes and SDKs, and what they mean here. */
const FOREIGN: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["NotFound", "not-found"],
  ["ENOENT", "not-found"],
  ["PermissionDenied", "denied"],
  ["NotCapable", "denied"],
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
 * @param action what was being done, as the start of a message: `Cannot read "s3://b/k"`
 * @param options.fallback the code where the error says nothing recognisable (default `internal`)
 * @param options.object the thing that the error is about
 */
export function from(
  thrown: unknown,
  action: string,
  options: { fallback?: ErrorCode; object?: string } = {},
): CopilotError {
  if (thrown instanceof CopilotError) return thrown;
  const object = options.object === undefined ? {} : { object: options.object };
  if (!(thrown instanceof Error)) {
    return new CopilotError(options.fallback ?? "internal", `${action}: ${String(thrown)}`, object);
  }
  const osCode = (thrown as { code?: unknown }).code;
  const code = (typeof osCode === "string" ? FOREIGN.get(osCode) : undefined) ?? FOREIGN.get(thrown.name) ??
    options.fallback ?? "internal";
  return new CopilotError(code, `${action}: ${thrown.message}`, { ...object, cause: thrown });
}

/**
 * The same error with what it is about in front, unless its message says so already.
 *
 * @param action the start of the message: `Cannot download the input files[2]`
 * @param name what the message must name
 */
export function about(thrown: unknown, action: string, name: string): CopilotError {
  const error = from(thrown, action);
  if (error.message.includes(name) || error.code === "aborted") return error;
  return new CopilotError(error.code, `${action}: ${error.message}`, {
    cause: error,
    ...(error.object === undefined ? {} : { object: error.object }),
  });
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
