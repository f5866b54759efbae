/**
 * The upload flow: files in, raw data and outputs.pb out. See README.md, "Upload".
 * @module
 */
import { subjectOf } from "../flyte/plan/names.ts";
import type { UploadMode } from "../flyte/modes.ts";
import { about, cannot, CopilotError } from "../errors.ts";
import { parseTaskError, type TaskError } from "../flyte/codec/error_document.ts";
import { decodeTypedInterface, encodeLiteralMap } from "../flyte/codec/idl.ts";
import type { TypedInterface } from "../flyte/types.ts";
import { planUpload, type Upload } from "../flyte/plan/plan_upload.ts";
import type { EagerUploads } from "./early_upload.ts";
import type { Log } from "../system/log.ts";
import { OutputDirectory } from "./output_directory.ts";
import { readWithin } from "../system/beneath.ts";
import { bytesSource, type ObjectStore } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import type { Engine } from "../transfer/session.ts";
import { putFile } from "../transfer/put.ts";
import { joinKey } from "../storage/uri.ts";
import type { Files } from "../system/mod.ts";

/** The file by which a task reports its own failure. */
const ERROR_FILE = "_ERROR";
const MAX_ERROR_FILE_BYTES = 1024 * 1024;

/** The task's own failure: what its `_ERROR` file says. */
export class TaskFailure extends CopilotError {
  readonly details: TaskError;

  constructor(details: TaskError) {
    super("task", details.message);
    this.details = details;
  }
}

/** What the upload flow takes. */
export interface UploadJob {
  /** A TypedInterface in protobuf; absent means no outputs. */
  interface: Uint8Array | undefined;
  /** Absolute path of the directory with the outputs. */
  localDir: string;
  /** URI prefixes for raw data and for outputs.pb. */
  rawPrefix: string;
  outputPrefix: string;
  metaOutputName: string;
  errOutputName: string;
  mode: UploadMode;
}

/** What it works with. */
export interface UploadContext {
  engine: Engine;
  stores: Stores;
  log: Log;
  /** Called when all raw data is confirmed, before outputs.pb is written: no errors.pb may stand beside it. */
  beforeOutputs(): Promise<void>;
  /** What went up while main was still running. */
  eager?: EagerUploads | undefined;
}

/**
 * Uploads a task's outputs: raw data first, outputs.pb last and only when every part is confirmed.
 *
 * @throws TaskFailure when the task left an `_ERROR` file: nothing is uploaded then
 * @throws CopilotError for whatever failed first; outputs.pb is not written then
 */
export async function upload(job: UploadJob, context: UploadContext): Promise<void> {
  const { engine, stores, log } = context;
  assertNoTaskError(engine.system.files, job.localDir);
  const typed = job.interface === undefined ? undefined : decodeTypedInterface(job.interface);
  if (typed === undefined || (typed.outputs?.variables.length ?? 0) === 0) {
    log.info("the task has no outputs, nothing to upload");
    return;
  }
  const stat = engine.system.files.stat(job.localDir);
  if (stat?.kind !== "directory") {
    throw cannot("upload from", job.localDir, { output: "it is not a directory" });
  }
  assertApart(job, typed);
  const tree = new OutputDirectory(engine.system.files, job.localDir);
  const plan = planUpload(typed, tree, { rawPrefix: job.rawPrefix, mode: job.mode });
  log.debug("planned", { variables: plan.outputs.literals.size, uploads: plan.uploads.length });
  if (job.mode !== "DO_NOT_UPLOAD") {
    const send = plan.uploads.map((action) => ({ action, path: tree.path(action.path.split("/")) }));
    await sendAll(send, tree, context);
  }
  const place = await stores.at(joinKey(job.outputPrefix, job.metaOutputName), "--to-output-prefix");
  await context.beforeOutputs();
  await place.store.put(place.key, bytesSource(encodeLiteralMap(plan.outputs)), { signal: engine.signal });
}

/** An output named like a document, with raw data and documents under one prefix, would overwrite it. */
function assertApart(job: UploadJob, typed: TypedInterface): void {
  const { rawPrefix, outputPrefix, metaOutputName, errOutputName } = job;
  if (joinKey(rawPrefix, "x") !== joinKey(outputPrefix, "x")) return;
  for (const { key } of typed.outputs?.variables ?? []) {
    if (key !== metaOutputName && key !== errOutputName) continue;
    throw cannot("upload the output", key, {
      output:
        `--to-raw-output and --to-output-prefix are the same place, and the document "${key}" goes there`,
    });
  }
}

/**
 * Throws what the task's `_ERROR` file says, if there is one.
 *
 * @throws TaskFailure for a file; CopilotError `task` for one that cannot be read
 */
export function assertNoTaskError(files: Files, localDir: string): void {
  const path = `${localDir}/${ERROR_FILE}`;
  const found = files.lstat(path);
  if (found === null) return;
  if (found.kind === "directory") {
    throw cannot("read", path, { task: "error file is a directory" });
  }
  if (found.size > MAX_ERROR_FILE_BYTES) {
    throw cannot("read", path, {
      task: `error file too large ${found.size}, expected at most ${MAX_ERROR_FILE_BYTES} bytes`,
    });
  }
  if (found.kind !== "file") {
    throw cannot("read", path, { task: "error file is not a regular file" });
  }
  const options = { realRoot: files.realPath(localDir), maxBytes: MAX_ERROR_FILE_BYTES };
  throw new TaskFailure(parseTaskError(readWithin(files, path, options)));
}

interface Send {
  action: Upload;
  path: string;
}

async function sendAll(sends: readonly Send[], tree: OutputDirectory, context: UploadContext): Promise<void> {
  const { engine } = context;
  for (const send of sends) {
    try {
      await sendOne(send, tree, context);
    } catch (error) {
      engine.fail(withVariable(error, send.action));
      break;
    }
  }
  await engine.settle();
}

/** Starts the transfers of one action. */
async function sendOne({ action, path }: Send, tree: OutputDirectory, context: UploadContext): Promise<void> {
  const { engine } = context;
  const place = await context.stores.at(action.uri, "--to-raw-output");
  const one = (key: string, file: string) =>
    context.eager?.has(key, file)
      ? Promise.resolve()
      : engine.start(() =>
        putFile(engine, place.store, key, tree.file(file)).catch((error) => {
          throw withVariable(error, action);
        })
      );
  if (action.kind === "file") await one(place.key, path);
  else await sendDirectory(path, tree, { store: place.store, key: place.key, context, one });
}

interface DirectoryJob {
  store: ObjectStore;
  key: string;
  context: UploadContext;
  one(key: string, file: string): Promise<void>;
}

async function sendDirectory(path: string, tree: OutputDirectory, job: DirectoryJob): Promise<void> {
  const prefix = `${job.key}/`;
  let empty = true;
  for (const file of tree.walk(path)) {
    empty = false;
    await job.one(prefix + file.relative, file.path);
  }
  // Flytekit finds no directory where there is no key at all (tests/conformance/README.md, rule 19).
  if (empty) {
    await job.store.put(prefix, bytesSource(new Uint8Array(0)), { signal: job.context.engine.signal });
  }
}

function withVariable(thrown: unknown, { variable }: Upload): CopilotError {
  return about(thrown, subjectOf("upload", variable));
}
