/**
 * One run, start to finish: the flow under its deadline, the error document if it fails, the closing line, the exit status.
 * @module
 */
import type { SidecarCommand } from "../cli/mod.ts";
import { type Deadline, deadlineIn } from "../system/deadline.ts";
import { download } from "./download.ts";
import { EagerUploads } from "./early_upload.ts";
import { type CopilotError, explain, from } from "../errors.ts";
import { decodeTypedInterface } from "../flyte/codec/idl.ts";
import type { TypedInterface } from "../flyte/types.ts";
import { codeOf, EarlyVerdict, errorUri, report, tell } from "./error_report.ts";
import { type ForeignFailure, openStores, type RunCommand, type RunContext, untilMs } from "./context.ts";
import type { Stores } from "../storage/stores.ts";
import { Engine } from "../transfer/session.ts";
import { upload } from "./upload.ts";
import { type Failure, failureOf, withdrawVerdict } from "./error_document.ts";

/** Milliseconds between two looks at the progress line of a terminal. */
const PROGRESS_MS = 200;

/**
 * Carries out a command.
 *
 * @returns the exit status: 0 also after a failure that errors.pb tells (as the original), 1 with `--exit-on-error`, when
 *   errors.pb could not be written, or when the run was cancelled
 */
export async function run(command: RunCommand, context: RunContext): Promise<number> {
  const { system, log } = context;
  const startMs = system.clock.monotonicMs() - context.spentMs;
  const what = command.kind === "download" ? "Download" : "Upload";
  const engine = new Engine(system, { memoryLimitBytes: context.memoryLimitBytes, signal: context.signal });
  const early = command.kind === "sidecar" && context.ended !== undefined;
  const stores = openStores(command, context, {
    engine,
    untilMs: early ? Infinity : untilMs(startMs, command.timeoutMs),
  });
  const showProgress = () => log.progress(progressText(what, engine));
  const stopProgress = system.clock.every(PROGRESS_MS, showProgress);
  const verdict = new EarlyVerdict(command, context);
  let deadline: Deadline | undefined;
  let failure: CopilotError | undefined;
  try {
    const eager = await uploadEarly(command, { engine, stores, context });
    if (eager?.badEnd) return await tell(eager.badEnd, command, context);
    deadline = deadlineIn(system.clock, command.timeoutMs, { what, spentMs: context.spentMs });
    deadline.signal.addEventListener("abort", () => engine.fail(deadline!.signal.reason), { once: true });
    await flow(command, { engine, stores, verdict, context, eager: eager?.uploads });
  } catch (thrown) {
    // What ends the engine ends every call that waits, as "cancelled": its failure says why.
    engine.fail(thrown);
    failure = from(engine.failure, { action: what.toLowerCase() });
  } finally {
    stopProgress();
    log.progress("");
    verdict.close();
    deadline?.clear();
    await stores.close();
  }
  const { files, bytes, retries } = engine.progress;
  const seconds = Math.round(system.clock.monotonicMs() - startMs) / 1000;
  const figures = { files, bytes, seconds, retries };
  if (failure === undefined) {
    if (command.kind === "sidecar") context.uploaded?.();
    log.summary(`${what.toLowerCase()} finished`, figures);
    return 0;
  }
  log.error(`${what.toLowerCase()} failed`, { ...figures, code: failure.code, error: explain(failure) });
  if (failure.code === "aborted") return 1;
  return await report(withCaveat(failure, command, context), command, context);
}

/** What the error document says of a failed run. */
function withCaveat(failure: CopilotError, command: RunCommand, { caveat }: RunContext): Failure {
  const told = failureOf(failure, codeOf(command));
  return caveat === undefined || failure.code !== "output"
    ? told
    : { ...told, message: `${told.message}; ${caveat}` };
}

function progressText(what: string, { progress, pool }: Engine): string {
  const mib = (progress.bytes / 1024 / 1024).toFixed(1);
  return `${what}: ${progress.files} files, ${mib} MiB, ${pool.active} at a time`;
}

interface EarlyTools {
  engine: Engine;
  stores: Stores;
  context: RunContext;
}

interface Early {
  /** Undefined where the interface cannot be read, which is the upload's to tell. */
  uploads: EagerUploads | undefined;
  badEnd: ForeignFailure | null;
}

/** Uploads what is stable while main runs; undefined where nothing was asked to go up before its end. */
async function uploadEarly(
  command: RunCommand,
  { engine, stores, context }: EarlyTools,
): Promise<Early | undefined> {
  if (command.kind !== "sidecar" || context.ended === undefined) return undefined;
  const { log, ended } = context;
  const over = new AbortController();
  const end = ended.finally(() => over.abort());
  const typed = interfaceOf(command);
  const uploads = typed && new EagerUploads({ ...command, typed }, { engine, stores, log });
  await uploads?.run(over.signal);
  return { uploads, badEnd: await end };
}

function interfaceOf(command: SidecarCommand): TypedInterface | undefined {
  try {
    return decodeTypedInterface(command.interface ?? new Uint8Array(0));
  } catch {
    return undefined;
  }
}

interface Tools extends EarlyTools {
  verdict: EarlyVerdict;
  eager: EagerUploads | undefined;
}

async function flow(command: RunCommand, { engine, stores, verdict, context, eager }: Tools): Promise<void> {
  const { log, allow } = context;
  const withdraw = async () => {
    await eager?.removeVanished();
    await verdict.settle();
    await withdrawVerdict(errorUri(command), { stores, signal: engine.signal, log });
  };
  if (command.kind === "sidecar") {
    return await upload(command, { engine, stores, log, beforeOutputs: withdraw, eager });
  }
  const job = { ...command, maxMetadataBytes: command.storage.maxDownloadBytes };
  const withdrawn = withdraw();
  const settled = withdrawn.catch(() => {});
  // Awaited also after a failure, or it could take away the errors.pb of this run.
  await download(job, { engine, stores, log, allow }).finally(() => settled);
  await withdrawn;
}
