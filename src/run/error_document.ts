/**
 * errors.pb: written when a run has failed, taken back when it succeeds after all.
 * @module
 */
import { CopilotError, explain } from "../errors.ts";
import { toErrorDocument } from "../flyte/codec/error_document.ts";
import { encodeErrorDocument } from "../flyte/codec/idl.ts";
import { ErrorKind, ErrorOrigin } from "../flyte/types.ts";
import type { Log } from "../system/log.ts";
import { bytesSource } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import { TaskFailure } from "./upload.ts";

/** What errors.pb is to say. */
export interface Failure {
  /** Flyte's code, such as `OutputUploadFailed`. */
  code: string;
  message: string;
  /** ErrorKind of flyte/types.ts; default RECOVERABLE, as the original has it. */
  kind?: number;
  /** ErrorOrigin of flyte/types.ts; default SYSTEM. */
  origin?: number;
}

/** What reading and writing it takes. */
export interface VerdictContext {
  stores: Stores;
  signal: AbortSignal;
  log: Log;
}

/** What errors.pb says of an error that a flow has thrown. @param code where the task itself gives none */
export function failureOf(error: CopilotError, code: string): Failure {
  if (!(error instanceof TaskFailure)) return { code, message: explain(error) };
  const { details } = error;
  return { code: details.code ?? code, message: details.message, kind: details.kind, origin: details.origin };
}

/** Writes errors.pb at a URI. @throws CopilotError as the store gives it */
export async function writeVerdict(uri: string, failure: Failure, context: VerdictContext): Promise<void> {
  const { kind = ErrorKind.RECOVERABLE, origin = ErrorOrigin.SYSTEM } = failure;
  const document = toErrorDocument({ ...failure, kind, origin });
  const { store, key } = await context.stores.at(uri, "--to-output-prefix");
  await store.put(key, bytesSource(encodeErrorDocument(document)), { signal: context.signal });
  context.log.info("wrote the error document", { uri });
}

/** Whether there is an object at a URI. */
export async function exists(uri: string, { stores, signal }: VerdictContext): Promise<boolean> {
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

/**
 * Makes sure that no error document of an earlier, failed try stands beside what is about to be declared a success: a reader
 * takes errors.pb first.
 */
export async function withdrawVerdict(uri: string, context: VerdictContext): Promise<void> {
  await withdraw(uri, "the error document of an earlier try", context);
}

/** Removes a document if it is there. @param what it is, for the log */
export async function withdraw(uri: string, what: string, context: VerdictContext): Promise<void> {
  if (!await exists(uri, context)) return;
  context.log.warning(`removing ${what}`, { uri });
  const { store, key } = await context.stores.at(uri, "--to-output-prefix");
  await store.delete(key, { signal: context.signal });
}
