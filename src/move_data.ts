/**
 * How the main thread has a run carried out: what it finds out beforehand, and the Worker that it hands the run to.
 * @module
 */
import { posix } from "node:path";
import type { StoreCommand } from "./cli/mod.ts";
import { secretValues } from "./config/mod.ts";
import { cannot, CopilotError, explain, from } from "./errors.ts";
import type { RunCommand } from "./run/context.ts";
import { dropRights, runInSandbox, type SandboxOptions } from "./sandbox/mod.ts";
import { oneByOne } from "./system/certificates.ts";
import { stderrIsTerminal, sys, workingDirectory, writeStderr } from "./system/deno.ts";
import { type ConsoleLog, createLog, type LogSettings } from "./system/log.ts";
import { type MemoryLimits, sameLimits } from "./system/memory_limits.ts";
import type { SigtermCounter } from "./watch/sigterm_counter.ts";

/** What main.ts knows of the process. */
export interface World {
  /** The environment, as far as the program may see it. */
  env: Record<string, string>;
  terminations: SigtermCounter;
  /** What was odd about the configuration files. */
  warnings: readonly string[];
  /** The container's. */
  limits: MemoryLimits;
  /** Free space where inputs go, in bytes. */
  freeBytes?: number;
}

/** What is special about a run. */
export interface Special
  extends
    Pick<SandboxOptions, "failure" | "ended" | "caveat" | "waitedMs" | "resumes" | "uploaded" | "graceMs"> {
  /** Whether the process still needs its rights afterwards. */
  keepsRights?: boolean;
  /** SIGTERMs after which an upload's process is about to be killed; default 1: the first one asks for the upload. */
  killedAfter?: number;
}

/** Hands the run to a Worker with the permissions that it needs, and no others. */
export async function moveData(
  command: RunCommand,
  world: World,
  special: Special = {},
): Promise<number> {
  const { env, terminations, limits } = world;
  // While main still runs its watcher may need to read /proc.
  const { keepsRights = false, killedAfter = 1, ...options } = special;
  if (options.ended !== undefined) options.ended.then(dropRights, () => {});
  else if (!keepsRights) dropRights();
  const cancel = new AbortController();
  const killImminent = new AbortController();
  const runEnded = new AbortController();
  // A download that is told to end can only be started again. An upload goes on: the first SIGTERM asks for it, the second
  // says that two seconds are left.
  const onSignal = command.kind === "download"
    ? terminations.next(0, runEnded.signal).then(() =>
      cancel.abort(new CopilotError("aborted", "Ended by a signal"))
    )
    : terminations.next(killedAfter, runEnded.signal).then(() => killImminent.abort());
  onSignal.catch(() => {});
  const { interrupted } = terminations;
  const decided = { ...command, exitOnError: command.exitOnError ?? stderrIsTerminal() };
  return await runInSandbox(decided, {
    clock: sys.clock,
    env,
    caCerts: [],
    ...limitsOf(command, limits),
    ...(world.freeBytes !== undefined && { freeBytes: world.freeBytes }),
    log: logSettings(command),
    cwd: workingDirectory(),
    realLocalDir: command.localDir,
    readText: readCredentials,
    signal: AbortSignal.any([cancel.signal, interrupted]),
    killImminent: killImminent.signal,
    logError: (message, fields) => openLog(command, world).error(message, fields),
    ...prepared(command, env, { isReport: options.failure !== undefined }),
    ...options,
  }).finally(() => runEnded.abort());
}

/** The container's limits, unless the command line has its own. */
export function limitsOf({ memoryLimitBytes }: StoreCommand, limits: MemoryLimits): MemoryLimits {
  return memoryLimitBytes === undefined ? limits : sameLimits(memoryLimitBytes);
}

type Prepared = Partial<Pick<SandboxOptions, "caCerts" | "realLocalDir" | "failure">>;

/** What a run needs of the file system before it begins. What goes wrong here is told as every failure of the run is. */
function prepared(
  command: RunCommand,
  env: Record<string, string>,
  { isReport }: { isReport: boolean },
): Prepared {
  const { files } = sys;
  try {
    if (command.kind === "download" && !isReport && !command.dryRun) makeLocalDir(command.localDir);
    return {
      caCerts: trustedCertificates(env),
      ...files.stat(command.localDir) !== null && { realLocalDir: files.realPath(command.localDir) },
    };
  } catch (thrown) {
    const message = explain(from(thrown, { action: "run" }));
    openLog(command, { env }).error("the command cannot be begun", { error: message });
    return { failure: { message } };
  }
}

function makeLocalDir(path: string): void {
  if (/^\/(dev|proc|sys)(\/|$)/.test(path)) {
    throw cannot("use --to-local-dir", path, { usage: "expected a directory outside /dev, /proc and /sys" });
  }
  sys.files.mkdir(path);
}

/** A credential file as far as the run's permissions need it: the store says what is wrong with one that cannot be read. */
export function readCredentials(path: string): string | null {
  try {
    return new TextDecoder().decode(sys.files.readFile(path, 256 * 1024));
  } catch {
    return null;
  }
}

/** A path as it is, or below the working directory. */
export function absolute(path: string): string {
  return posix.resolve(workingDirectory(), path);
}

/** The log that a command asks for. */
export function openLog(command: StoreCommand, { env }: Pick<World, "env">): ConsoleLog {
  const secrets = secretValues(command.storage, env);
  return createLog({ ...logSettings(command), write: writeStderr, clock: sys.clock, secrets });
}

function logSettings(command: StoreCommand): LogSettings & { isTerminal: boolean } {
  return { ...command.log, isTerminal: stderrIsTerminal() };
}

/**
 * PEM certificates of the files that other tools' variables name, since the runtime looks at none of them. They are the same list as the
 * built-in one more often than not, and of such a file only what that lacks is used; so where the runtime was told to trust another list,
 * they come one by one.
 */
export function trustedCertificates(env: Record<string, string>): string[] {
  const paths = new Set(["SSL_CERT_FILE", "AWS_CA_BUNDLE"].flatMap((name) => env[name] || []));
  return [...paths].flatMap((path) => {
    const pem = new TextDecoder().decode(sys.files.readFile(path, 4 * 1024 * 1024));
    return env["DENO_TLS_CA_STORE"] ? oneByOne(pem) : pem;
  });
}

/** Says what is odd about the settings. */
export function warn(command: StoreCommand, world: World): ConsoleLog {
  const log = openLog(command, world);
  for (const warning of [...world.warnings, ...command.warnings]) log.warning(warning);
  return log;
}
