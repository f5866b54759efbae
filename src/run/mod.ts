/**
 * One run, start to finish: the flow under its deadline, the error document if it fails, the closing line, the exit status.
 * @module
 */
import type { SidecarCommand } from "../cli/mod.ts";
import { orAborted } from "../system/abort.ts";
import { deadlineIn } from "../system/deadline.ts";
import { download } from "./download.ts";
import { dryRun } from "./dry_run.ts";
import { EagerUploads } from "./early_upload.ts";
import { type CopilotError, from } from "../errors.ts";
import { decodeTypedInterface } from "../flyte/codec/idl.ts";
import type { TypedInterface } from "../flyte/types.ts";
import { failureOf, reportFailure, withdrawErrors } from "./error_document.ts";
import { Precaution } from "./precaution.ts";
import { taskFailure } from "./task_error.ts";
import { openStores, type RunCommand, type RunContext } from "./context.ts";
import type { RunFailure } from "../flyte/codec/error_document.ts";
import type { Stores } from "../storage/stores.ts";
import { TransferSession } from "../transfer/session.ts";
import { upload } from "./upload.ts";

/** Milliseconds between two looks at the progress line of a terminal. */
const PROGRESS_MS = 200;

/**
 * Carries out a command.
 *
 * @returns the exit status: 0 also after a failure that the error document tells (as the original), 1 with `--exit-on-error`, when
 *   that could not be written, or when the run was cancelled
 */
export async function run(command: RunCommand, context: RunContext): Promise<number> {
  if (command.dryRun) return await dryRun(command, context);
  const { system, log, memoryLimitBytes, spentMs } = context;
  const startMs = system.clock.monotonicMs() - spentMs;
  const what = command.kind === "download" ? "Download" : "Upload";
  const session = new TransferSession(system, { memoryLimitBytes, signal: context.signal });
  const begin = () => {
    const begun = deadlineIn(system.clock, command.timeoutMs, { what, spentMs });
    begun.signal.addEventListener("abort", () => session.fail(begun.signal.reason), { once: true });
    return begun;
  };
  // An upload that begins while main runs has all of its time once main has ended.
  let deadline = context.ended === undefined ? begin() : undefined;
  const stores = openStores(command, context, {
    deadlineMs: deadline?.atMs ?? Infinity,
    onRetry({ error }) {
      session.progress.retries++;
      if (error.code === "throttled") session.pool.throttled();
    },
    onUnverified: () => session.progress.unverified++,
  });
  const stopProgress = system.clock.every(PROGRESS_MS, () => log.progress(progressText(what, session)));
  const precaution = command.kind === "sidecar" ? new Precaution(command, context, session) : null;
  let failure: RunFailure | null = null;
  let error: CopilotError | undefined;
  try {
    const eager = await uploadEarly(command, { session, stores, context });
    await (eager?.badEnd && precaution?.settle());
    if (eager?.badEnd) return await reportFailure(eager.badEnd, command, context);
    deadline ??= begin();
    precaution?.begin();
    failure = await flow(command, { session, stores, precaution, context, eager: eager?.uploads });
  } catch (thrown) {
    // Pending calls reject with `aborted`; the session's failure has the cause.
    session.fail(thrown);
    error = from(session.failure, { action: what.toLowerCase() });
    failure = withCaveat(failureOf(error, command), error, context);
  } finally {
    stopProgress();
    log.progress("");
    await precaution?.settle();
    deadline?.clear();
    await stores.close();
  }
  const { files, bytes, retries, unverified, kept } = session.progress;
  const seconds = Math.round(system.clock.monotonicMs() - startMs) / 1000;
  const figures = {
    ...{ files, bytes, seconds, retries },
    ...(kept > 0 && { kept }),
    ...(unverified > 0 && { unverified }),
  };
  if (failure === null) {
    if (command.kind === "sidecar") context.uploaded?.();
    log.summary(`${what.toLowerCase()} finished`, figures);
    return 0;
  }
  const { code = "task" } = error ?? {};
  log.error(`${what.toLowerCase()} failed`, { ...figures, code, error: failure.message });
  return code === "aborted" ? 1 : await reportFailure(failure, command, context);
}

/** The failure of an upload whose main was never seen: that may be why an output is missing. */
function withCaveat(failure: RunFailure, { code }: CopilotError, { caveat }: RunContext): RunFailure {
  if (caveat === undefined || code !== "output") return failure;
  return { ...failure, message: `${failure.message}; ${caveat}` };
}

function progressText(what: string, { progress, pool }: TransferSession): string {
  const mib = (progress.bytes / 1024 / 1024).toFixed(1);
  return `${what}: ${progress.files} files, ${mib} MiB, ${pool.active} at a time`;
}

interface EarlyTools {
  session: TransferSession;
  stores: Stores;
  context: RunContext;
}

interface Early {
  /** Undefined where the interface cannot be read, which is the upload's to tell. */
  uploads: EagerUploads | undefined;
  badEnd: RunFailure | null;
}

/** Uploads what is stable while main runs; undefined where nothing was asked to go up before its end. */
async function uploadEarly(
  command: RunCommand,
  { session, stores, context }: EarlyTools,
): Promise<Early | undefined> {
  if (command.kind !== "sidecar" || context.ended === undefined) return undefined;
  const { log, ended } = context;
  const mainEnded = new AbortController();
  const end = ended.finally(() => mainEnded.abort());
  const typed = interfaceOf(command);
  const uploads = typed && new EagerUploads({ ...command, typed }, { session, stores, log });
  await uploads?.run(AbortSignal.any([mainEnded.signal, session.signal]));
  return { uploads, badEnd: await orAborted(end, session.signal, command.localDir) };
}

function interfaceOf(command: SidecarCommand): TypedInterface | undefined {
  try {
    return decodeTypedInterface(command.interface ?? new Uint8Array(0));
  } catch {
    return undefined;
  }
}

interface Tools extends EarlyTools {
  precaution: Precaution | null;
  eager: EagerUploads | undefined;
}

/** The download or upload itself. What the task has declared in its `_ERROR` file comes first: nothing is uploaded then. */
async function flow(command: RunCommand, tools: Tools): Promise<RunFailure | null> {
  const { session, stores, precaution, context, eager } = tools;
  const { log, allow, system } = context;
  const withdraw = async () => {
    await eager?.removeVanished();
    await precaution?.settle();
    const what = precaution?.wasWritten ? "the error document that was written as a precaution" : undefined;
    await withdrawErrors(command, { stores, signal: session.signal, log }, what);
  };
  if (command.kind === "sidecar") {
    const declared = taskFailure(system.files, command.localDir);
    if (declared !== null) return declared;
    let isWithdrawn = false;
    const beforeOutputs = () => withdraw().then(() => void (isWithdrawn = true));
    await upload(command, { session, stores, log, beforeOutputs, eager });
    await precaution?.settle();
    // A task without outputs writes no outputs.pb.
    if (precaution?.wasWritten && !isWithdrawn) await withdraw();
    return null;
  }
  const job = { ...command, maxMetadataBytes: command.storage.maxDownloadBytes };
  const withdrawn = withdraw();
  const settled = withdrawn.catch(() => {});
  // Awaited also after a failure, or it could take away the error document of this run.
  await download(job, { session, stores, log, allow }).finally(() => settled);
  await withdrawn;
  return null;
}
