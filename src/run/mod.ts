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
import { showProgress } from "./progress.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/mod.ts";
import { openStores, type RunCommand, type RunContext, storeOf } from "./context.ts";
import type { RunFailure } from "../flyte/codec/error_document.ts";
import type { Stores } from "../storage/stores.ts";
import { type Moved, type Progress, TransferSession } from "../transfer/session.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { ConsoleLog, Fields } from "../system/log.ts";
import { rateText, sizeText } from "./figures.ts";
import { upload } from "./upload.ts";

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
  const { telemetry = NO_TELEMETRY } = context;
  const session = new TransferSession(system, {
    memoryLimitBytes,
    signal: context.signal,
    onMoved: log.shows("debug") || telemetry.isOn ? fileLine(command, { log, telemetry }) : undefined,
  });
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
    onOpen: ({ traits }) => session.opened(traits),
  });
  const { progress } = session;
  const stopProgress = showProgress({ what, progress, startMs }, context.view, { clock: system.clock, log });
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
    await precaution?.settle();
    deadline?.clear();
    await stores.close();
  }
  const figures = figuresOf(command, progress, system.clock.monotonicMs() - startMs);
  telemetry.span.set({ files: progress.files, bytes: progress.bytes, retries: progress.retries });
  telemetry.span.end(failure === null ? undefined : error?.code ?? "task");
  if (failure === null) {
    if (command.kind === "sidecar") context.uploaded?.();
    log.summary(`${what.toLowerCase()} finished`, figures);
    return 0;
  }
  const { code = "task" } = error ?? {};
  const exitStatus = code === "aborted" || command.exitOnError || command.outputPrefix === undefined ? 1 : 0;
  log.error(`${what.toLowerCase()} failed`, { ...figures, code, exitStatus, error: failure.message });
  return code === "aborted" ? exitStatus : await reportFailure(failure, command, context);
}

/** What the closing line says of a run. */
function figuresOf(command: RunCommand, progress: Readonly<Progress>, ms: number): Fields {
  const { files, bytes, retries, unverified, kept } = progress;
  return {
    files,
    bytes,
    size: sizeText(bytes),
    seconds: Math.round(ms) / 1000,
    rate: rateText(bytes, ms),
    retries,
    place: command.kind === "download" ? command.localDir : shownUri(command.outputPrefix),
    ...(kept > 0 && { kept }),
    ...(unverified > 0 && { unverified }),
  };
}

interface Told {
  log: ConsoleLog;
  telemetry: Telemetry;
}

/** Tells of each file. */
function fileLine({ kind }: RunCommand, { log, telemetry }: Told): (file: Moved) => void {
  const message = kind === "download" ? "downloaded" : "uploaded";
  return ({ uri, path, bytes, ms }) => {
    const object = shownUri(uri);
    log.debug(message, { object, path, bytes, ms: Math.round(ms), rate: rateText(bytes, ms) });
    telemetry.moved({ store: storeOf(object), bytes, ms });
  };
}

/** The failure of an upload whose main was never seen: that may be why an output is missing. */
function withCaveat(failure: RunFailure, { code }: CopilotError, { caveat }: RunContext): RunFailure {
  if (caveat === undefined || code !== "output") return failure;
  return { ...failure, message: `${failure.message}; ${caveat}` };
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
  const { log, allow, system, telemetry: { span } = NO_TELEMETRY } = context;
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
    await upload(command, {
      session,
      stores,
      log,
      beforeOutputs,
      eager,
      span,
      resumes: context.resumes === true,
    });
    await precaution?.settle();
    // A task without outputs writes no outputs.pb.
    if (precaution?.wasWritten && !isWithdrawn) await withdraw();
    return null;
  }
  const job = {
    ...command,
    maxMetadataBytes: command.storage.maxDownloadBytes,
    freeBytes: context.freeBytes,
  };
  const withdrawn = withdraw();
  const settled = withdrawn.catch(() => {});
  // Awaited also after a failure, or it could take away the error document of this run.
  await download(job, { session, stores, log, allow, span }).finally(() => settled);
  await withdrawn;
  return null;
}
