/**
 * The run's permissions: computed here, applied to a Worker, which is where untrusted bytes are handled.
 *
 * The main thread starts with what the binary was compiled with and touches no data. The Worker may read and write only the
 * run's directory, connect only to the store's hosts, and has no environment, no subprocess, no FFI. When inputs name a
 * place that was not foreseen (an http URL, another cloud), the Worker asks, and is started anew with that place added, or refused.
 * @module
 */
import { settingsFor, type StorageConfig } from "../config/mod.ts";
import { toTransferable } from "./config_transfer.ts";
import { CopilotError, explain } from "../errors.ts";
import { decodedKey } from "../flyte/plan/keys.ts";
import type { LogSettings } from "../system/log.ts";
import type { ForeignFailure, RunCommand } from "../run/context.ts";
import { hostnameOf, isLinkLocal, reachOf } from "../storage/reach.ts";
import { parseUri, shownUri, type StoreUri } from "../storage/uri.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** What the program never uses, apart from the one watcher that needs the whole set: see {@linkcode dropRights}. */
const NEVER_USED = ["run", "ffi", "import", "sys", "env"] as const;

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

/** Restarts of a run for places that its inputs name: more is no honest input. */
const MAX_WIDENINGS = 16;

/** What the Worker may do. */
export interface Scope {
  read: Set<string>;
  write: Set<string>;
  net: Set<string>;
}

/** What a run in a Worker takes. */
export interface SandboxOptions {
  env: Readonly<Record<string, string>>;
  caCerts: string[];
  memoryLimitBytes: number;
  documentLimitBytes: number;
  log: LogSettings & { isTerminal: boolean };
  cwd: string;
  /** `localDir` behind symlinks. */
  realLocalDir: string;
  /** The text of a credential file, which may name hosts and files itself; null where it cannot be read. */
  readText?(path: string): string | null;
  /** Fires when the run is to end early. */
  signal: AbortSignal;
  /** Fires when the process is about to be killed. */
  hurry: AbortSignal;
  /** Logs what the Worker has crashed of; both texts may hold secrets. */
  crashed(error: string, stack: string): void;
  /** Set when there is nothing to do but to tell this. */
  failure?: ForeignFailure;
  /** UPLOAD_EAGER: main still runs; resolves when it has ended, with what was wrong about that. */
  ended?: Promise<ForeignFailure | null>;
}

/** The scope that a command line alone asks for. */
export function scopeOf(
  command: RunCommand,
  options: Pick<SandboxOptions, "env" | "cwd" | "realLocalDir" | "readText">,
): Scope {
  const localDirs = [command.localDir, options.realLocalDir];
  const scope: Scope = { read: new Set(localDirs), write: new Set(), net: new Set() };
  const add = (uri: string, what: string, { write }: { write: boolean }) => {
    const reach = reachOf(parseUri(uri, what), settings(uri, what, command.storage), options);
    for (const host of reach.hosts) scope.net.add(host);
    for (const path of reach.paths) {
      scope.read.add(path);
      // A store behind the network has nothing but credentials on the disk.
      if (write && reach.hosts.length === 0) scope.write.add(path);
    }
  };
  add(command.outputPrefix, "--to-output-prefix", { write: true });
  if (command.kind === "download") {
    for (const directory of localDirs) scope.write.add(directory);
    add(command.from, "--from-remote", { write: false });
  } else add(command.rawPrefix, "--to-raw-output", { write: true });
  return scope;
}

function settings(uri: string, what: string, storage: StorageConfig) {
  return settingsFor(parseUri(uri, what).scheme, storage);
}

/**
 * Adds the places that a run's inputs name.
 *
 * @returns whether anything was added
 * @throws CopilotError `denied` for a place that inputs must not name
 */
export function widen(
  scope: Scope,
  uris: readonly string[],
  command: RunCommand,
  options: SandboxOptions,
): boolean {
  const before = scope.read.size + scope.net.size;
  for (const text of uris) {
    const uri = parseUri(text, "an input's URI");
    if (uri.scheme === "file" && !mayNameFiles(command)) {
      throw new CopilotError(
        "denied",
        `Cannot read "${text}": inputs from a remote store must not name local files`,
        {
          object: text,
        },
      );
    }
    const namesHost = /^(https?|rediss?)$/.test(uri.scheme);
    if (namesHost && !allowsLinkLocal(command) && isLinkLocal(hostnameOf(uri))) {
      throw new CopilotError(
        "denied",
        `Cannot read "${
          shownUri(text)
        }": inputs must not name link-local or metadata addresses (--allow-link-local lifts this)`,
        { object: shownUri(text) },
      );
    }
    for (const spelling of spellingsOf(uri)) {
      const reach = reachOf(spelling, settings(text, "an input's URI", command.storage), options);
      for (const host of reach.hosts) scope.net.add(host);
      for (const path of reach.paths) if (!covered(scope.read, path)) scope.read.add(path);
    }
  }
  return scope.read.size + scope.net.size > before;
}

/** A file's path as it is written, and decoded, which a download tries where the first does not exist. */
function spellingsOf(uri: StoreUri): StoreUri[] {
  const key = uri.scheme === "file" ? decodedKey(uri.key) : null;
  return key === null ? [uri] : [uri, { ...uri, key }];
}

function mayNameFiles(command: RunCommand): boolean {
  return command.kind === "download" && parseUri(command.from, "--from-remote").scheme === "file";
}

function allowsLinkLocal(command: RunCommand): boolean {
  return command.kind === "download" && command.allowLinkLocal;
}

function covered(paths: ReadonlySet<string>, path: string): boolean {
  for (const root of paths) {
    if (path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`)) return true;
  }
  return false;
}

/**
 * Runs a command in a Worker that may do what the command needs and nothing else.
 *
 * @returns the exit status
 */
export async function runInSandbox(command: RunCommand, options: SandboxOptions): Promise<number> {
  const scope = scopeOf(command, options);
  for (let round = 0; round <= MAX_WIDENINGS; round++) {
    const outcome = await once(command, options, scope);
    if (outcome !== "again") return outcome;
  }
  throw new CopilotError(
    "denied",
    `Cannot run: the inputs name more than ${MAX_WIDENINGS} places one after another`,
  );
}

function once(command: RunCommand, options: SandboxOptions, scope: Scope): Promise<number | "again"> {
  const worker = startWorker(scope);
  const send = (message: ToWorker) => worker.postMessage(message);
  const { env, caCerts, memoryLimitBytes, documentLimitBytes, log, signal, hurry, failure, ended } = options;
  send({
    kind: "run",
    command: { ...command, storage: toTransferable(command.storage) },
    env: { ...env },
    caCerts,
    memoryLimitBytes,
    documentLimitBytes,
    log,
    early: ended !== undefined,
    ...(failure === undefined ? {} : { failure }),
  });
  const abort = () => send({ kind: "abort", reason: explain(signal.reason) });
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  ended?.then((badEnd) => send({ kind: "ended", failure: badEnd }));
  const hurryUp = () => send({ kind: "hurry" });
  hurry.addEventListener("abort", hurryUp, { once: true });
  if (hurry.aborted) hurryUp();
  return new Promise<number | "again">((resolve) => {
    const crashed = (error: string, stack: string) => {
      worker.terminate();
      options.crashed(error, stack);
      // A crash has to reach errors.pb too; a second crash is beyond help.
      if (failure !== undefined) return resolve(1);
      const crash = { code: "CopilotCrashed", message: `The run crashed: ${error}`, unlessDone: false };
      resolve(once(command, { ...options, failure: crash }, scope));
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === "done") return resolve(data.status);
      if (data.kind === "crashed") return crashed(data.error, data.stack);
      try {
        if (widen(scope, data.uris, command, options)) resolve("again");
        else send({ kind: "allowed" });
      } catch (error) {
        send({ kind: "refused", message: explain(error) });
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      crashed(event.message, "");
    };
  }).finally(() => {
    signal.removeEventListener("abort", abort);
    hurry.removeEventListener("abort", hurryUp);
    worker.terminate();
  });
}

function startWorker(scope: Scope): Worker {
  const options: WorkerOptions = {
    type: "module",
    name: "run",
    deno: {
      permissions: {
        read: [...scope.read],
        write: [...scope.write],
        net: [...scope.net],
        env: false,
        run: false,
        ffi: false,
        sys: false,
        import: false,
      },
    },
  };
  return new Worker(new URL("./worker.ts", import.meta.url), options);
}
