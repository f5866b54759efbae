/**
 * `copilot run`: a whole task in one process. Downloads the inputs, runs the command, uploads its outputs, and ends with its status.
 *
 * Since the command is a child of this process nothing has to be watched: exit status and signal are known exactly.
 * @module
 */
import type { DownloadCommand, SidecarCommand, TaskCommand } from "../cli/mod.ts";
import { explain, from } from "../errors.ts";
import type { Log } from "../system/log.ts";
import type { ChildLauncher, Reaper, System } from "../system/mod.ts";
import type { SigtermCounter } from "../watch/sigterm_counter.ts";
import type { RunFailure } from "../flyte/codec/error_document.ts";
import { type Ending, endingOf, notStarted } from "./ending.ts";
import { OomKills } from "./oom_kills.ts";

/** Exit status of a run that was told to end before its command began: 128 + SIGTERM, as shells have it. */
const TERMINATED = 143;

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
  const { terminations, log } = context;
  if (command.download !== undefined) {
    const status = await context.download(command.download);
    if (status !== 0) return terminations.count > 0 ? TERMINATED : status;
  }
  if (command.upload.dryRun) {
    const [program, ...args] = command.program.argv;
    const { localDir, outputPrefix } = command.upload;
    context.print(
      `Would run ${program} with ${args.length} arguments, then upload ${localDir} to ${outputPrefix}\n`,
    );
    return 0;
  }
  if (terminations.count > 0) {
    log.error("told to end before the command began");
    return TERMINATED;
  }
  prepareOutputs(command.upload, context);
  const started = start(command, context);
  if (command.upload.mode === "UPLOAD_EAGER") return await uploadBeside(command.upload, started, context);
  const { status, failure } = await started;
  if (failure === null) return await context.upload(command.upload);
  await context.report(command.upload, failure);
  return status;
}

/** The upload begins while the command runs. */
async function uploadBeside(
  upload: SidecarCommand,
  started: Promise<Ending>,
  context: TaskContext,
): Promise<number> {
  const uploaded = await context.upload(upload, started.then(({ failure }) => failure));
  const { status } = await started;
  return status === 0 ? uploaded : status;
}

/** Makes the directory that the command writes to. */
function prepareOutputs({ localDir }: SidecarCommand, { system: { files }, log }: TaskContext): void {
  if (files.stat(localDir) === null) return files.mkdir(localDir);
  const found = files.readDir(localDir)[Symbol.iterator]().next();
  if (!found.done) {
    log.warning("the output directory is not empty: what it holds may be taken for outputs", {
      directory: localDir,
    });
  }
}

/** Runs the command to its end. */
async function start({ program }: TaskCommand, context: TaskContext): Promise<Ending> {
  const { log, system: { files } } = context;
  const oomKills = OomKills.open(files);
  try {
    const child = context.launcher.start(program);
    const reaper = context.openReaper(child.pid);
    context.dropRights();
    log.info("the command has started", { program: program.argv[0], pid: child.pid });
    const end = await child.ended;
    // Whatever it has left running would be killed with it, were it process 1 itself; and may still write to its outputs.
    await reaper?.endOthers();
    reaper?.close();
    const ending = endingOf(end, {
      program: program.argv[0]!,
      oomKills: oomKills.count,
      memoryLimitBytes: oomKills.limitBytes,
    });
    logEnding(ending, log);
    return ending;
  } catch (thrown) {
    const error = from(thrown, { action: "run", object: program.argv[0] });
    context.dropRights();
    const ending = notStarted({ code: error.code, message: explain(error) });
    logEnding(ending, log);
    return ending;
  } finally {
    oomKills.close();
  }
}

function logEnding({ status, failure }: Ending, log: Log): void {
  if (failure === null) return log.info("the command has ended", { status });
  log.error("the command failed", { status, code: failure.code, error: failure.message });
}
