/**
 * The error document: written when a run has failed or instead of a run; taken back by a later try that succeeds.
 * @module
 */
import { kindOfScheme } from "../config/kinds.ts";
import { CopilotError, explain } from "../errors.ts";
import { type RunFailure, toErrorDocument } from "../flyte/codec/error_document.ts";
import { decode, encode } from "../flyte/codec/idl.ts";
import { type ContainerError, ErrorOrigin } from "../flyte/types.ts";
import { bytesSource } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import { joinKey, parseUri } from "../storage/uri.ts";
import { deadlineIn } from "../system/deadline.ts";
import type { Log } from "../system/log.ts";
import type { Clock } from "../system/mod.ts";
import type { SidecarCommand } from "../cli/mod.ts";
import { openStores, type RunCommand, type RunContext } from "./context.ts";
import { taskFailure } from "./task_error.ts";

/**
 * Milliseconds for the error document, counted from the failure: the run's own deadline may be what failed. Less than the 30 s
 * that Kubernetes gives a pod from SIGTERM to SIGKILL.
 */
const REPORT_MS = 20_000;

/** Milliseconds of those for a look at what a failed download has written. */
const LOOK_MS = 5000;

/** What error documents are called: by Flyte's readers, and by earlier versions of copilot. */
const ERROR_NAMES = ["error.pb", "errors.pb"];

/** The names under which an error document of this or an earlier try may stand. */
export function errorNames(command: Pick<RunCommand, "errOutputName">): string[] {
  return [...new Set([command.errOutputName, ...ERROR_NAMES])];
}

/** Bytes of an error document that is read back; copilot's own have a message of 64 KiB at most. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/** Error codes by which a sidecar says that the task's outputs do not fit its interface, or that the task reports a failure. */
const TASK_FAULTS: ReadonlySet<string> = new Set(["task", "output", "path"]);

/** What reading and writing documents takes. */
export interface DocumentContext {
  stores: Stores;
  signal: AbortSignal;
  log: Log;
}

/** Flyte's code for a download that has failed. */
const DOWNLOAD_FAILED = "InputDownloadFailed";

/** Flyte's code for a failure of a command. */
export function codeOf(command: RunCommand): string {
  return command.kind === "download" ? DOWNLOAD_FAILED : "OutputUploadFailed";
}

/** Where a command's error document goes; undefined for a download that only reads. */
export function errorUri(command: SidecarCommand): string;
export function errorUri(command: RunCommand): string | undefined;
export function errorUri({ outputPrefix, errOutputName }: RunCommand): string | undefined {
  return outputPrefix === undefined ? undefined : joinKey(outputPrefix, errOutputName);
}

/** Where a sidecar declares its outputs; undefined for a download. */
export function outputsUri(command: RunCommand): string | undefined {
  return command.kind === "sidecar" ? joinKey(command.outputPrefix, command.metaOutputName) : undefined;
}

/** Why a run failed, by what it has thrown. What a task left behind is its own fault; the store's and copilot's are the system's. */
export function failureOf(error: CopilotError, command: RunCommand): RunFailure {
  const isTasks = command.kind === "sidecar" && TASK_FAULTS.has(error.code);
  return { message: explain(error), origin: isTasks ? ErrorOrigin.USER : ErrorOrigin.SYSTEM };
}

/**
 * Writes the error document of a failed run, within a time of its own, and gives the exit status: 1 where it has no place. What the
 * task itself has declared in its `_ERROR` file says more than anything that was seen from outside.
 */
export async function reportFailure(
  failure: RunFailure,
  command: RunCommand,
  context: RunContext,
): Promise<number> {
  const { system, log } = context;
  const uri = errorUri(command);
  if (uri === undefined) return 1;
  const deadline = deadlineIn(system.clock, REPORT_MS, { what: "Error document" });
  const stores = openStores(command, context, { deadlineMs: deadline.atMs });
  const tools: DocumentContext = { stores, signal: deadline.signal, log };
  const outputs = outputsUri(command);
  try {
    if (failure.skipIfOutputsExist === true && outputs !== undefined && await exists(outputs, tools)) {
      log.summary("nothing to do: the outputs are there from an earlier life of this container", {
        uri: outputs,
      });
      return 0;
    }
    const cause = declaredFailure(command, context) ??
      await withDownloadFailure(failure, command, { ...tools, clock: system.clock, uri });
    const { code = codeOf(command), message, kind, origin } = cause;
    const told = { code, message: context.mask(message), ...(kind !== undefined && { kind }) };
    await writeErrorDocument(uri, { ...told, ...(origin !== undefined && { origin }) }, tools);
    if (outputs !== undefined) await withdrawOutputs(outputs, tools);
    return command.exitOnError ? 1 : 0;
  } catch (thrown) {
    log.error("cannot write the error document", { uri, error: explain(thrown) });
    return 1;
  } finally {
    deadline.clear();
    await stores.close();
  }
}

/** What the task has declared; null where it has declared nothing that can be read. */
function declaredFailure(command: RunCommand, { system }: RunContext): RunFailure | null {
  if (command.kind !== "sidecar") return null;
  try {
    return taskFailure(system.files, command.localDir);
  } catch {
    return null;
  }
}

/**
 * A task whose inputs never came leaves no outputs either. The downloader's document says why, and a download that succeeds takes its
 * own back: where it still stands it is this pod's, and what is missing is not the task's fault.
 */
async function withDownloadFailure(
  failure: RunFailure,
  command: RunCommand,
  context: DocumentContext & { clock: Clock; uri: string },
): Promise<RunFailure> {
  if (command.kind !== "sidecar" || failure.origin !== ErrorOrigin.USER) return failure;
  const earlier = await earlierError(context.uri, context);
  if (earlier?.code !== DOWNLOAD_FAILED) return failure;
  const { code, message, kind, origin } = earlier;
  const after = `; after that: ${failure.message}`;
  return { code, message: message.endsWith(after) ? message : message + after, kind, origin };
}

/** Writes an error document. @throws CopilotError as the store gives it */
export async function writeErrorDocument(
  uri: string,
  failure: RunFailure & { code: string },
  { stores, signal, log }: DocumentContext,
): Promise<void> {
  const { store, key } = await stores.at(uri, "--to-output-prefix");
  await store.put(key, bytesSource(encode("ErrorDocument", toErrorDocument(failure))), { signal });
  log.info("wrote the error document", { uri });
}

/** What an earlier try has declared to be the outputs must not stand beside the document of a failure, which is out already. */
export async function withdrawOutputs(uri: string, context: DocumentContext): Promise<void> {
  try {
    if (await exists(uri, context)) await remove(uri, "the outputs of an earlier try", context);
  } catch (thrown) {
    context.log.error("cannot remove the outputs of an earlier try", { uri, error: explain(thrown) });
  }
}

/**
 * Makes sure that no error document of an earlier, failed try stands beside what is about to be a success: a reader takes the error
 * document first. A sidecar speaks for the whole task; a download takes back only what a download has written.
 *
 * @param what it is, for the log
 */
export async function withdrawErrors(
  command: RunCommand,
  context: DocumentContext,
  what = "the error document of an earlier try",
): Promise<void> {
  const { outputPrefix } = command;
  if (outputPrefix === undefined) return;
  await Promise.all(
    errorNames(command).map(async (name) => {
      const uri = joinKey(outputPrefix, name);
      const isOurs = command.kind === "sidecar"
        ? await exists(uri, context)
        : (await errorAt(uri, context))?.code === codeOf(command);
      if (isOurs) await remove(uri, what, context);
    }),
  );
}

/** As {@linkcode errorAt}; what cannot be read, or not soon, does not keep the document of this failure back. */
async function earlierError(
  uri: string,
  context: DocumentContext & { clock: Clock },
): Promise<ContainerError | undefined> {
  // Nothing can have been written there.
  if (kindOfScheme(parseUri(uri, "--to-output-prefix").scheme) === "http") return undefined;
  const deadline = deadlineIn(context.clock, LOOK_MS, { what: "Look for an error", parent: context.signal });
  try {
    return await errorAt(uri, { ...context, signal: deadline.signal });
  } catch {
    return undefined;
  } finally {
    deadline.clear();
  }
}

/** The error that a document tells; undefined where there is none, or something else. */
async function errorAt(uri: string, context: DocumentContext): Promise<ContainerError | undefined> {
  if (!await exists(uri, context)) return undefined;
  const { stores, signal } = context;
  const options = { what: "the error document of an earlier try", maxBytes: MAX_DOCUMENT_BYTES, signal };
  try {
    return decode("ErrorDocument", await stores.read(uri, options)).error;
  } catch (thrown) {
    if (thrown instanceof CopilotError && ["not-found", "denied", "input"].includes(thrown.code)) {
      return undefined;
    }
    throw thrown;
  }
}

/** Whether there is an object at a URI. */
async function exists(uri: string, { stores, signal }: DocumentContext): Promise<boolean> {
  const { store, key } = await stores.at(uri, "--to-output-prefix");
  try {
    await store.head(key, { signal });
    return true;
  } catch (error) {
    // Without the right to list, a store says "denied" of a key that does not exist.
    if (error instanceof CopilotError && (error.code === "not-found" || error.code === "denied")) {
      return false;
    }
    throw error;
  }
}

async function remove(uri: string, what: string, context: DocumentContext): Promise<void> {
  context.log.warning(`removing ${what}`, { uri });
  const { store, key } = await context.stores.at(uri, "--to-output-prefix");
  await store.delete(key, { signal: context.signal });
}
