/**
 * The contract of a watcher: it answers "has main started?" and "has main ended, and how?", nothing else.
 *
 * Promises that every watcher keeps (tests/watch/contract.ts holds each registered one to them):
 * - `waitForExit` never resolves before main ran, and never hangs once main has ended.
 * - A cancelled wait rejects with CopilotError `aborted` within one poll; it is never taken for a start or an end.
 * - Main may have come and gone before the first look: a watcher that can know this says so, one that cannot keeps
 *   waiting until the caller's start timeout, whose error {@linkcode Watcher.describe} explains.
 * - Watching costs under 0.2 % of a core and holds no memory that grows with time.
 * - `close` is idempotent and releases descriptors, timers and connections.
 * @module
 */

/** How main ended. */
export interface Exit {
  /**
   * - `ended`: main has ended, and nothing says that it ended badly.
   * - `failed`: main has ended and is known to have failed: exit code not 0, killed, OOM.
   * - `interrupted`: the pod is being stopped while main still runs, so its outputs may be incomplete.
   */
  outcome: "ended" | "failed" | "interrupted";
  /** The watcher that saw it: `signal`, `shared-process-ns`, `file`, `kube-api`, `noop`. */
  by: string;
  /** Main's exit code where the watcher knows it. */
  exitCode?: number;
  /** Kubernetes' reason or our own, in CamelCase: `Completed`, `Error`, `OOMKilled`, `Evicted`. */
  reason?: string;
  /** Milliseconds between main's end and SIGKILL, where the watcher knows them. */
  graceMs?: number;
  /** One sentence for people: container, limit, what was seen. */
  message?: string;
}

/** Waits for a container that it knows how to see. */
export interface Watcher {
  /** The name under which it is chosen on the command line. */
  readonly name: string;
  /** Resolves once main has started, or is known to have ended already. */
  waitForStart(signal: AbortSignal): Promise<void>;
  /** Resolves once main has ended. */
  waitForExit(signal: AbortSignal): Promise<Exit>;
  /** What the watcher has seen so far, for the error of a wait that ran out: names, ids, what to mend. */
  describe(): string;
  /** Whether main may have come and gone unseen: nothing that could be main runs. Asked when the start's bound is over. */
  mayHaveMissedMain(): boolean;
  /**
   * Milliseconds that the sidecar waits for SIGTERM once all is done, before it ends by itself. A native sidecar that ends before it is
   * told to is started again (tektoncd/pipeline#9095); an ordinary one has to end, or its pod never does. Infinity: a native sidecar
   * for certain.
   */
  lingerMs(): number;
  close(): void;
}
