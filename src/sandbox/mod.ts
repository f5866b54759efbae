/**
 * The run in its sandbox: a Worker, which is where untrusted bytes are handled, with the permissions that it needs.
 *
 * The main thread starts with what the binary was compiled with and touches no data. The Worker may read and write only the
 * run's directory, connect only to the store's hosts, and has no environment, no subprocess, no FFI. When inputs name a
 * place that was not foreseen (an http URL, another cloud), the Worker asks, and is started anew with that place added, or refused.
 *
 * Whatever becomes of that Worker, the failure is told: one that cannot be started, crashes, or does not answer after its
 * deadline is followed by a Worker that does nothing but write the error document, with permissions for that alone.
 * @module
 */
import { cannot, explain, from } from "../errors.ts";
import type { Fields, LogSettings } from "../system/log.ts";
import { sys } from "../system/deno.ts";
import { openDirentReader } from "../system/getdents.ts";
import type { Clock } from "../system/mod.ts";
import type { RunCommand, RunFailure } from "../run/context.ts";
import { DirectoryServer, sharedAnswer } from "./directory_server.ts";
import { type FromWorker, pack, type ToWorker } from "./messages.ts";
import { reportScopeOf, type Scope, type ScopeContext, scopeOf, widen } from "./permissions.ts";
import { releaseWhenUnderWay } from "./start_pages.ts";
import { startWorker } from "./start_worker.ts";
import { Watchdog } from "./watchdog.ts";

/** Restarts of a run for places that its inputs name: more indicates hostile input. */
export const MAX_WIDENINGS = 16;
/** Milliseconds that a Worker may take to answer once its run is to end. A pause for memory takes a tenth of that. */
const ANSWER_MS = 2_500;
/** The same when the process is about to be killed, two seconds before it is. */
const LAST_ANSWER_MS = 700;
/** Milliseconds for a Worker that only writes the error document, which bounds itself at 20 s. */
const REPORT_MS = 25_000;

/** What the program never uses, apart from the one watcher that needs the whole set: see {@linkcode dropRights}. */
const NEVER_USED = ["run", "ffi", "import", "sys", "env"] as const;

/** What reads directories for Workers; null where the machine cannot. Loaded before the right to is given up, and usable after it. */
const DIRENTS = openDirentReader();

/**
 * Gives up, for the rest of the process's life, the right to start processes, to load libraries, to import code, and to read
 * system information and the environment.
 *
 * The runtime opens files below /proc and /sys only for a process that has every right, so the executable starts with all of
 * them, and this is called as soon as nothing is to be read there any more: at once, or, for the watcher
 * shared-process-ns, when main has ended.
 */
export function dropRights(): void {
  for (const name of NEVER_USED) Deno.permissions.revokeSync({ name });
}

/** Gives up every right: for commands that need nothing of the machine but their arguments. */
export function dropAllRights(): void {
  dropRights();
  for (const name of ["read", "write", "net"] as const) Deno.permissions.revokeSync({ name });
}

/** What a run in a Worker takes. */
export interface SandboxOptions extends ScopeContext {
  clock: Clock;
  caCerts: string[];
  memoryLimitBytes: number;
  documentLimitBytes: number;
  log: LogSettings & { isTerminal: boolean };
  /** Fires when the run is to end early. */
  signal: AbortSignal;
  /** Fires when the process is about to be killed. */
  killImminent: AbortSignal;
  /** Logs what the Worker itself could not; the fields may hold secrets. */
  logError(message: string, fields: Fields): void;
  /** Set when there is nothing to do but to tell this. */
  failure?: RunFailure;
  /** UPLOAD_EAGER: main still runs; resolves when it has ended, with what was wrong about that. */
  ended?: Promise<RunFailure | null>;
  /** What a failure of the outputs is told with. */
  caveat?: string;
  /** Milliseconds between main's end and SIGKILL, where they are known. */
  graceMs?: number;
  /** Whether an earlier life of this sidecar has begun the upload. Default: no. */
  resumes?: boolean;
  /** Free space in the local directory, in bytes. */
  freeBytes?: number;
  /** Milliseconds that a sidecar has waited for main. */
  waitedMs?: number;
  /** Called when a sidecar's outputs are all declared. */
  uploaded?(): void;
}

/**
 * Runs a command in a Worker that may do what the command needs and nothing else.
 *
 * @returns the exit status; a run that could not be carried out is an error document too
 */
export async function runInSandbox(command: RunCommand, options: SandboxOptions): Promise<number> {
  if (options.failure !== undefined) return await report(options.failure, command, options);
  let failure: RunFailure;
  try {
    const outcome = await carryOut(command, options);
    if (typeof outcome === "number") return outcome;
    failure = outcome;
  } catch (thrown) {
    failure = { message: explain(from(thrown, { action: "run" })) };
  }
  return await report(failure, command, options);
}

/** The run, in as many Workers as it takes, one after another; the failure where none of them could tell it. */
async function carryOut(command: RunCommand, options: SandboxOptions): Promise<number | RunFailure> {
  const scope = scopeOf(command, options);
  const startMs = options.clock.monotonicMs();
  for (let round = 0; round <= MAX_WIDENINGS; round++) {
    const outcome = await runWorker(command, options, {
      scope,
      spentMs: options.ended === undefined ? options.clock.monotonicMs() - startMs : 0,
    });
    if (outcome !== "again") return outcome;
  }
  throw cannot("run", { denied: `the inputs name more than ${MAX_WIDENINGS} places one after another` });
}

/** Writes the error document in a Worker that may do nothing else. A failure of that is beyond help, and logged. */
async function report(
  failure: RunFailure,
  command: RunCommand,
  options: SandboxOptions,
): Promise<number> {
  try {
    const { ended: _, ...now } = options;
    const scope = reportScopeOf(command, options);
    const outcome = await runWorker(command, { ...now, failure }, { scope, spentMs: 0 });
    if (typeof outcome === "number") return outcome;
  } catch (thrown) {
    options.logError("cannot write the error document", { error: explain(from(thrown, { action: "run" })) });
  }
  options.logError("the run failed", { error: failure.message });
  return 1;
}

/** The part of a run that one Worker does. */
interface Job {
  scope: Scope;
  /** Milliseconds of the deadline that are over. */
  spentMs: number;
}

type Outcome = number | "again" | RunFailure;

async function runWorker(command: RunCommand, options: SandboxOptions, job: Job): Promise<Outcome> {
  const { worker, isShortOfThreads } = await startWorker(job.scope, options.clock);
  const keepPages = releaseWhenUnderWay(options.clock);
  const send = (message: ToWorker) => worker.postMessage(message);
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const watchdog = new Watchdog(options.clock, {
    ask: () => send({ kind: "ping" }),
    silent: () => resolve(silent(command, options)),
  });
  const directories = serveDirectories(job.scope);
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.kind) {
      case "list":
      case "list-more":
      case "list-close":
        return void directories?.server.answer(data);
      case "done":
        return resolve(data.status);
      case "uploaded":
        options.uploaded?.();
        break;
      case "pong":
        return watchdog.answered();
      case "crashed":
        options.logError("the run crashed", { error: data.error, stack: data.stack });
        return resolve(crash(data.error));
      case "allow":
        try {
          if (widen(job.scope, data.uris, command, options)) resolve("again");
          else send({ kind: "allowed" });
        } catch (error) {
          send({ kind: "refused", message: explain(error) });
        }
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    options.logError("the run crashed", { error: event.message });
    resolve(crash(event.message));
  };
  worker.onmessageerror = () => resolve(crash("a message between its threads could not be read"));
  const disconnect = connect(command, options, {
    send,
    watchdog,
    spentMs: job.spentMs,
    isShortOfThreads,
    fail: reject,
    ...(directories !== null && { directories: directories.shared }),
  });
  return await promise.finally(async () => {
    disconnect();
    keepPages();
    watchdog.close();
    worker.terminate();
    await directories?.server.close();
  });
}

interface Wires {
  send(message: ToWorker): void;
  watchdog: Watchdog;
  spentMs: number;
  isShortOfThreads: boolean;
  fail(error: unknown): void;
  /** For the answers about directories. */
  directories?: SharedArrayBuffer;
}

/** What reads directories for a Worker with this scope. */
function serveDirectories(scope: Scope): { server: DirectoryServer; shared: SharedArrayBuffer } | null {
  if (DIRENTS === null) return null;
  const shared = sharedAnswer();
  const server = new DirectoryServer({
    reader: DIRENTS,
    files: sys.files,
    shared,
    readable: () => scope.read,
  });
  return { server, shared };
}

/** Tells a Worker its job and what happens outside, until the returned function is called. */
function connect(command: RunCommand, options: SandboxOptions, wires: Wires): () => void {
  const { send, watchdog, spentMs, fail } = wires;
  const { signal, killImminent, failure, ended } = options;
  const { env, caCerts, memoryLimitBytes, documentLimitBytes, log } = options;
  // One that only writes the error document bounds itself, so it may be as slow as that bound lets it.
  const isReport = failure !== undefined;
  const abort = () => {
    send({ kind: "abort", reason: explain(signal.reason) });
    if (!isReport) watchdog.watch(ANSWER_MS);
  };
  const expectKill = () => {
    send({ kind: "kill-imminent" });
    if (!isReport) watchdog.watch(LAST_ANSWER_MS);
  };
  const watchDeadline = () => {
    if (isReport) watchdog.endAfter(REPORT_MS);
    else if (command.timeoutMs > 0) {
      watchdog.watchAfter(Math.max(0, command.timeoutMs - spentMs), ANSWER_MS);
    }
  };
  try {
    send({
      kind: "run",
      command: pack(command),
      env: { ...env },
      caCerts,
      memoryLimitBytes,
      documentLimitBytes,
      log,
      early: ended !== undefined,
      spentMs,
      ...(wires.directories === undefined ? {} : { directories: wires.directories }),
      ...(options.caveat === undefined ? {} : { caveat: options.caveat }),
      isShortOfThreads: wires.isShortOfThreads,
      resumes: options.resumes === true,
      ...(options.waitedMs === undefined ? {} : { waitedMs: options.waitedMs }),
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
      ...(options.freeBytes === undefined ? {} : { freeBytes: options.freeBytes }),
      ...(failure === undefined ? {} : { failure }),
    });
  } catch (thrown) {
    fail(thrown);
  }
  if (ended === undefined) watchDeadline();
  ended?.then((badEnd) => {
    send({ kind: "ended", failure: badEnd });
    watchDeadline();
  }).catch(fail);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  killImminent.addEventListener("abort", expectKill, { once: true });
  if (killImminent.aborted) expectKill();
  return () => {
    signal.removeEventListener("abort", abort);
    killImminent.removeEventListener("abort", expectKill);
  };
}

function crash(error: string): RunFailure {
  return { code: "CopilotCrashed", message: `The run crashed: ${error}` };
}

/** What becomes of a run whose Worker does not answer; one that was told to end has nothing to tell. */
function silent(command: RunCommand, { signal, logError }: SandboxOptions): Outcome {
  const what = command.kind === "download" ? "Download" : "Upload";
  logError(`${what.toLowerCase()} did not end when it was to, and was stopped`, {});
  if (signal.aborted) return 1;
  const bound = command.timeoutMs === 0 ? "" : ` within ${command.timeoutMs / 1000} s`;
  return { message: `${what} not finished${bound}` };
}
