/**
 * `copilot run`: a whole task in one process. Downloads the inputs, runs the command, uploads its outputs, and ends with its status.
 *
 * Since the command is a child of this process nothing has to be watched: exit status and signal are known exactly.
 * @module
 */
import type { DownloadCommand, SidecarCommand, TaskCommand } from "../cli/mod.ts";
import { CopilotError, explain, from } from "../errors.ts";
import { ErrorKind, ErrorOrigin } from "../flyte/types.ts";
import type { Log } from "../system/log.ts";
import type { Child, ChildLauncher, Files, Reaper, System } from "../system/mod.ts";
import type { SigtermCounter } from "../watch/sigterm_counter.ts";
import type { RunFailure } from "../flyte/codec/error_document.ts";
import { type Ending, endingOf, notStarted } from "./ending.ts";
import { OomKills } from "./oom_kills.ts";

/** The end of a task that was told to end before its command began; its status as that of a command which SIGTERM has ended. */
const TOLD_TO_END: Ending = {
  status: 143,
  failure: {
    code: "CommandInterrupted",
    message: "Told to end before the command began",
    kind: ErrorKind.RECOVERABLE,
    origin: ErrorOrigin.SYSTEM,
  },
};

/** What a task takes from the world. */
export interface TaskContext {
  system: Pick<System, "files">;
  log: Log;
  terminations: SigtermCounter;
  /** Fetches the inputs; resolves to an exit status. Keeps this process's rights. */
  download(command: DownloadCommand): Promise<number>;
  /**
   * Uploads the outputs; resolves to an exit status.
   *
   * @param ended for UPLOAD_EAGER: resolves when the command has ended, with what was wrong about that
   */
  upload(command: SidecarCommand, ended?: Promise<RunFailure | null>): Promise<number>;
  /** Writes the error document instead; resolves to an exit status. */
  report(command: SidecarCommand, failure: RunFailure): Promise<number>;
  launcher: ChildLauncher;
  /** Writes to standard output. */
  print(text: string): void;
  /** For process 1; null for any other. */
  openReaper(main: number): Reaper | null;
  /** Gives up the right to start programs, and whatever else data must not meet. */
  dropRights(): void;
}

/**
 * Runs a task from its inputs to its outputs.
 *
 * @returns the command's exit status, 128 and the signal's number for one that a signal has ended; where the command went well or
 *   never began, the status of the download or the upload
 */
export async function runTask(command: TaskCommand, context: TaskContext): Promise<number> {
  const { terminations } = context;
  if (command.download !== undefined) {
    const status = await context.download(command.download);
    if (status !== 0 && terminations.count === 0) return status;
  }
  if (command.upload.dryRun) {
    showPlan(command, context);
    return 0;
  }
  try {
    if (terminations.count > 0) return await conclude(command, TOLD_TO_END, context);
    prepareOutputs(command.upload, context);
    const started = start(command, context);
    if (command.upload.mode === "UPLOAD_EAGER") return await uploadBeside(command.upload, started, context);
    return await conclude(command, await started, context);
  } catch (thrown) {
    const message = explain(from(thrown, { action: "run a task" }));
    context.log.error("the task cannot be carried out", { error: message });
    return await context.report(command.upload, { message });
  }
}

function showPlan({ program, upload }: TaskCommand, { print }: TaskContext): void {
  const [name, ...args] = program.argv;
  print(
    `Would run ${name} with ${args.length} arguments, then upload ${upload.localDir} to ${upload.outputPrefix}\n`,
  );
}

/** Uploads what a command has left, or says why not. */
async function conclude(
  { upload }: TaskCommand,
  { status, failure }: Ending,
  context: TaskContext,
): Promise<number> {
  if (failure === null) return await context.upload(upload);
  logFailure({ status, failure }, context.log);
  await context.report(upload, failure);
  return status;
}

/** The upload begins while the command runs. */
async function uploadBeside(
  upload: SidecarCommand,
  started: Promise<Ending>,
  context: TaskContext,
): Promise<number> {
  const uploaded = await context.upload(upload, started.then(({ failure }) => failure));
  const ending = await started;
  if (ending.failure === null) return uploaded;
  logFailure(ending, context.log);
  return ending.status;
}

/** Makes the directory that the command writes to. */
function prepareOutputs({ localDir }: SidecarCommand, { system: { files }, log }: TaskContext): void {
  if (files.stat(localDir) === null) return makeOutputs(localDir, files);
  const found = files.readDir(localDir)[Symbol.iterator]().next();
  if (!found.done) {
    log.warning("the output directory is not empty: what it holds may be taken for outputs", {
      directory: localDir,
    });
  }
}

function makeOutputs(localDir: string, files: Pick<Files, "mkdir">): void {
  try {
    files.mkdir(localDir);
  } catch (thrown) {
    const { code, message } = from(thrown, {});
    throw new CopilotError(code, `${message}; --from-local-dir names another directory`);
  }
}

/** Runs the command to its end. */
async function start({ program }: TaskCommand, context: TaskContext): Promise<Ending> {
  const { log, system: { files } } = context;
  const oomKills = OomKills.open(files);
  try {
    const child = begin(program, context);
    if ("failure" in child) return child;
    log.info("the command has started", { program: program.argv[0], pid: child.pid });
    const reaper = context.openReaper(child.pid);
    context.dropRights();
    const end = await child.ended;
    // Whatever it has left running would be killed with it, were it process 1 itself; and may still write to its outputs.
    await reaper?.endOthers();
    reaper?.close();
    const ending = endingOf(end, {
      program: program.argv[0]!,
      oomKills: oomKills.count,
      memoryLimitBytes: oomKills.limitBytes,
    });
    if (ending.failure === null) log.info("the command has ended", { status: 0 });
    return ending;
  } finally {
    oomKills.close();
  }
}

/** The command's process, or what its not being there means. */
function begin(program: TaskCommand["program"], context: TaskContext): Child | Ending {
  try {
    return context.launcher.start(program);
  } catch (thrown) {
    context.dropRights();
    const { code, message } = from(thrown, { action: "start", object: program.argv[0] });
    return notStarted({ code, message });
  }
}

function logFailure({ status, failure }: Ending, log: Log): void {
  log.error("the command failed", { status, code: failure?.code, error: failure?.message });
}
