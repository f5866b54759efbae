/**
 * What the main thread and the run's Worker say to each other. structuredClone does not carry a {@linkcode Secret}, so that settings
 * are packed for the way.
 * @module
 */
import { Secret } from "../config/mod.ts";
import type { ErrorCode } from "../errors.ts";
import type { InspectCommand, Inspected, InspectSource } from "../run/inspect.ts";
import type { DirectoryRequest } from "./directory_server.ts";
import type { LogSettings } from "../system/log.ts";
import type { RunCommand, RunFailure } from "../run/context.ts";

/** From the main thread. */
export type ToWorker =
  | {
    kind: "run";
    command: Packed<RunCommand>;
    env: Record<string, string>;
    caCerts: string[];
    memoryLimitBytes: number;
    documentLimitBytes: number;
    log: LogSettings & { isTerminal: boolean };
    /** Set when there is nothing to do but to tell this. */
    failure?: RunFailure;
    /** What a failure of the outputs is told with. */
    caveat?: string;
    /** Whether threads had run out when the Worker was to be started. */
    isShortOfThreads: boolean;
    /** Whether an earlier life of this sidecar has begun the upload. */
    resumes: boolean;
    /** Milliseconds between main's end and SIGKILL, where they are known. */
    graceMs?: number;
    /** Free space in the local directory; undefined where nobody can tell. */
    freeBytes?: number;
    /** Milliseconds that a sidecar has waited for main. */
    waitedMs?: number;
    /** Whether main still runs: `ended` will follow. */
    early: boolean;
    /** Milliseconds of the run's deadline that Workers before this one have used. */
    spentMs: number;
    /** Where the main thread's answers to a {@linkcode DirectoryRequest} stand; undefined where it cannot read directories. */
    directories?: SharedArrayBuffer;
  }
  | {
    kind: "inspect";
    command: Packed<InspectCommand>;
    sources: readonly InspectSource[];
    env: Record<string, string>;
    caCerts: string[];
  }
  | { kind: "abort"; reason: string }
  /** Main has ended, and whether badly. */
  | { kind: "ended"; failure: RunFailure | null }
  /** The process is about to be killed. */
  | { kind: "kill-imminent" }
  /** Answered at once by a Worker that is not lost in something long. */
  | { kind: "ping" }
  /** The answers to `allow`; one is asked at a time. */
  | { kind: "allowed" }
  | { kind: "refused"; message: string };

/** From the Worker. */
export type FromWorker =
  | { kind: "done"; status: number }
  | { kind: "inspected"; inspected: Inspected }
  /** Inspecting has failed. */
  | { kind: "failed"; code: ErrorCode; message: string }
  /** A sidecar's outputs are all declared. */
  | { kind: "uploaded" }
  | { kind: "pong" }
  /** Something was thrown that nothing catches. */
  | { kind: "crashed"; error: string; stack: string }
  | DirectoryRequest
  /** May the run reach these places? Answered by `allowed`, `refused`, or the Worker's end. */
  | { kind: "allow"; uris: string[] };

/** Something with a {@linkcode Secret} inside, in a form that crosses: its secrets stand in it in the clear. */
export interface Packed<T> {
  readonly packed: unknown;
  /** For the compiler only: what is inside. */
  readonly content?: T;
}

/** Stands for a Secret; no setting has such a name. */
const SECRET = "\0secret";

/** The form in which something crosses to a Worker of this process; for nothing else, because it shows every secret. */
export function pack<T>(value: T): Packed<T> {
  const packed = mapped(value, (part) => part instanceof Secret ? { [SECRET]: part.reveal() } : undefined);
  return { packed };
}

/** What {@linkcode pack} was given. */
export function unpack<T>({ packed }: Packed<T>): T {
  return mapped(packed, (part) => {
    const text = (part as Record<string, unknown>)[SECRET];
    return typeof text === "string" ? new Secret(text) : undefined;
  }) as T;
}

/** A copy in which `replace` has a say about every object; bytes are kept. */
function mapped(value: unknown, replace: (part: object) => unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  if (Array.isArray(value)) return value.map((part) => mapped(part, replace));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mapped(part, replace)]));
}
