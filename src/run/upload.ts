/**
 * The upload flow: files in, raw data and outputs.pb out. See docs/documents.md.
 * @module
 */
import { NO_SPAN, SharedSpan, type Span } from "../telemetry/mod.ts";
import { subjectOf } from "../flyte/plan/names.ts";
import type { UploadMode } from "../flyte/modes.ts";
import { about, cannot, type CopilotError } from "../errors.ts";
import { decodeTypedInterface, encodeLiteralMap } from "../flyte/codec/idl.ts";
import type { TypedInterface } from "../flyte/types.ts";
import { planUpload, type Upload } from "../flyte/plan/plan_upload.ts";
import type { EagerUploads } from "./early_upload.ts";
import type { Log } from "../system/log.ts";
import { errorNames } from "./error_document.ts";
import { KeptObjects } from "./kept_objects.ts";
import { OutputDirectory } from "./output_directory.ts";
import { bytesSource, type ObjectStore } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import type { TransferSession } from "../transfer/session.ts";
import { putFile } from "../transfer/put.ts";
import { joinKey } from "../storage/uri.ts";

/** Files that are looked at before any is sent, to tell how many there are. */
const MAX_EXPECTED = 2000;

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
  session: TransferSession;
  stores: Stores;
  log: Log;
  /** Called when all raw data is confirmed, before outputs.pb is written: no error.pb may stand beside it. */
  beforeOutputs(): Promise<void>;
  /** Whether an earlier life of this sidecar has begun the same upload. Default: no. */
  resumes?: boolean;
  /** The run's span; default: nobody is told. */
  span?: Span;
  /** What went up while main was still running. */
  eager?: EagerUploads | undefined;
}

/**
 * Uploads a task's outputs: raw data first, outputs.pb last and only when every part is confirmed.
 *
 * @throws CopilotError for whatever failed first; outputs.pb is not written then
 */
export async function upload(job: UploadJob, context: UploadContext): Promise<void> {
  const { session, stores, log } = context;
  const typed = job.interface === undefined ? undefined : decodeTypedInterface(job.interface);
  if (typed === undefined || (typed.outputs?.variables.length ?? 0) === 0) {
    log.info("the task has no outputs, nothing to upload");
    return;
  }
  const stat = session.system.files.stat(job.localDir);
  if (stat?.kind !== "directory") {
    throw cannot("upload from", job.localDir, { output: "it is not a directory" });
  }
  assertApart(job, typed);
  const tree = new OutputDirectory(session.system.files, job.localDir);
  const plan = planUpload(typed, tree, { rawPrefix: job.rawPrefix, mode: job.mode });
  log.debug("planned", { variables: plan.outputs.literals.size, uploads: plan.uploads.length });
  if (job.mode !== "DO_NOT_UPLOAD") {
    const send = plan.uploads.map((action) => ({ action, path: tree.path(action.path.split("/")) }));
    expectAll(send, tree, session);
    await sendAll(send, tree, context);
  }
  const location = await stores.at(joinKey(job.outputPrefix, job.metaOutputName), "--to-output-prefix");
  await context.beforeOutputs();
  await location.store.put(location.key, bytesSource(encodeLiteralMap(plan.outputs)), {
    signal: session.signal,
  });
}

/** An output named like a document, with raw data and documents under one prefix, would overwrite it. */
function assertApart(job: UploadJob, typed: TypedInterface): void {
  const { rawPrefix, outputPrefix, metaOutputName } = job;
  if (joinKey(rawPrefix, "x") !== joinKey(outputPrefix, "x")) return;
  const documents = new Set([metaOutputName, ...errorNames(job)]);
  for (const { key } of typed.outputs?.variables ?? []) {
    if (!documents.has(key)) continue;
    throw cannot("upload the output", key, {
      output:
        `--to-raw-output and --to-output-prefix are the same place, and the document "${key}" goes there`,
    });
  }
}

interface Send {
  action: Upload;
  path: string;
}

/**
 * Tells how much there is to send, unless finding out would take longer than anybody would look at it. What is wrong with a file
 * is told when it is sent.
 */
function expectAll(sends: readonly Send[], tree: OutputDirectory, session: TransferSession): void {
  const { files } = session.system;
  let [count, bytes] = [0, 0];
  try {
    for (const { action, path } of sends) {
      const paths = action.kind === "file" ? [path] : mapped(tree.walk(path), (file) => file.path);
      for (const one of paths) {
        bytes += files.stat(one)?.size ?? 0;
        if (++count > MAX_EXPECTED) return;
      }
    }
  } catch {
    return;
  }
  session.expect(count, bytes);
  session.progress.isAllKnown = true;
}

function* mapped<T, R>(items: Iterable<T>, change: (item: T) => R): Generator<R> {
  for (const item of items) yield change(item);
}

async function sendAll(sends: readonly Send[], tree: OutputDirectory, context: UploadContext): Promise<void> {
  const { session } = context;
  const { span = NO_SPAN } = context;
  for (const send of sends) {
    const own = new SharedSpan(span.child(`variable ${send.action.variable}`, { kind: send.action.kind }));
    try {
      await sendOne({ ...send, span: own }, tree, context);
      own.release();
    } catch (error) {
      session.fail(withVariable(error, send.action));
      break;
    }
  }
  await session.settle();
}

/** Starts the transfers of one action. */
async function sendOne(
  { action, path, span }: Send & { span: SharedSpan },
  tree: OutputDirectory,
  context: UploadContext,
): Promise<void> {
  const { session } = context;
  const location = await context.stores.at(action.uri, "--to-raw-output");
  const kept = context.resumes ? new KeptObjects(session, location.store) : undefined;
  const put = async (key: string, file: string) => {
    if (!await kept?.has(key, file)) return await putFile(session, location.store, key, tree.file(file));
    session.progress.files++;
    session.progress.kept++;
  };
  const one = async (key: string, file: string) => {
    if (context.eager?.has(key, file)) return;
    span.hold();
    await session.start(() =>
      put(key, file).then(span.release, (error) => {
        throw withVariable(error, action);
      })
    );
  };
  await (action.kind === "file" ? kept?.look(location.key) : kept?.list(`${location.key}/`));
  if (action.kind === "file") await one(location.key, path);
  else await sendDirectory(path, tree, { store: location.store, key: location.key, context, one });
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
    await job.store.put(prefix, bytesSource(new Uint8Array(0)), { signal: job.context.session.signal });
  }
}

function withVariable(thrown: unknown, { variable }: Upload): CopilotError {
  return about(thrown, subjectOf("upload", variable));
}
