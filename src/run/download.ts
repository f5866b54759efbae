/**
 * The download flow: LiteralMap in, files and documents out. See docs/documents.md.
 * @module
 */
import { type DownloadMode, FILE_LAYOUTS, type FileLayout } from "../flyte/modes.ts";
import { about, cannot, explain, from } from "../errors.ts";
import { inputsJson, inputsYaml } from "../flyte/text/documents.ts";
import type { Content } from "../flyte/text/text_bytes.ts";
import { decodedCost, decodeLiteral, decodeLiteralMap, encodeParts } from "../flyte/codec/idl.ts";
import { offloadedIn, resolveOffloaded } from "../flyte/plan/offloaded.ts";
import { type Action, type DownloadPlan, planDownload } from "../flyte/plan/plan_download.ts";
import type { LiteralMap } from "../flyte/types.ts";
import type { TransferSession } from "../transfer/session.ts";
import { type StagedFile, Staging, STAGING_NAME } from "../transfer/staging.ts";
import type { Stores } from "../storage/stores.ts";
import type { Log } from "../system/log.ts";
import type { Files } from "../system/mod.ts";
import { shownUri } from "../text/shown_uri.ts";
import { NO_SPAN, type Span } from "../telemetry/mod.ts";
import { type FetchContext, fetchObject, fetchPrefix, withVariable } from "./fetch_blob.ts";
import { DiskRoom } from "./disk_room.ts";
import { withNearest } from "./nearest.ts";
import { hasEarlierInputs, warnOfStale } from "./stale.ts";
import { FAILED_MARKER, STREAM_DIRECTORY, StreamMarkers } from "./stream_markers.ts";

/** Variables whose objects are looked for at the same time; the objects themselves are bounded by the pool. */
const PRODUCERS = 8;
/** Actions that are begun before timers and messages get their turn. */
const ACTIONS_PER_TURN = 256;
/** A literal that was offloaded may hold offloaded ones, and so on; real ones do not. */
const OFFLOADED_ROUNDS = 16;
/** Offloaded literals of all rounds: a few that hold each other could ask for any number. */
const MAX_OFFLOADED = 10_000;

/** What the download flow takes. */
export interface DownloadJob {
  /** URI of the LiteralMap. */
  from: string;
  /** Absolute path of the directory; it exists. */
  localDir: string;
  format: string;
  layout: string;
  mode: DownloadMode;
  /** Bound for metadata objects in bytes; 0 for none. */
  maxMetadataBytes: number;
  /** Free space for {@linkcode localDir} in bytes; absent where nobody can tell. */
  freeBytes?: number | undefined;
}

/** What it works with. */
export interface DownloadContext {
  session: TransferSession;
  stores: Stores;
  log: Log;
  /** The run's span; default: nobody is told. */
  span?: Span;
  /** Resolves once the run may reach the places that these URIs name; see run/context.ts. */
  allow(uris: readonly string[]): Promise<void>;
}

/**
 * Downloads a task's inputs: every variable within the run's one pool, the documents last.
 *
 * @throws CopilotError for whatever failed first; nothing that is not whole has its final name then, and no document is there
 */
export async function download(job: DownloadJob, context: DownloadContext): Promise<void> {
  const { session, log } = context;
  const { files } = session.system;
  const staging = new Staging(session.system, job.localDir);
  const markers = job.mode === "DOWNLOAD_STREAM" ? new StreamMarkers(files, job.localDir, staging) : null;
  const staged: StagedFile[] = [];
  try {
    const names = documentsOf(job.format);
    const disk = new DiskRoom(job.localDir, job.freeBytes ?? Infinity);
    staging.clear();
    markers?.clear();
    const isRepeated = hasEarlierInputs(files, job.localDir);
    for (const name of names) files.removeTree(`${job.localDir}/${name}`);
    const resumes = !isEmpty(files, job.localDir);
    const { plan, documents } = await planInputs(job, context);
    if (isRepeated) {
      const current = new Set([...names, ...plan.local.literals.keys()]);
      warnOnFailure(
        log,
        "cannot look for what an earlier download left",
        () => warnOfStale(job.localDir, current, { files, log }),
      );
    }
    // Written before anything moves, so that a value no document can hold fails at once; and not kept in memory, where JSON's escapes
    // make a text six times as long.
    for (const document of documents) stage(document, { staging, staged });
    await carryOut(plan, { ...context, staging, markers, disk, resumes });
    documents.forEach(({ path }, index) => staged[index]!.commit(path));
  } catch (error) {
    warnOnFailure(log, "cannot mark the download as failed", () => markers?.failed());
    throw error;
  } finally {
    warnOnFailure(log, "cannot remove unfinished files", () => {
      for (const document of staged) document.discard();
      staging.cleanUp();
    });
  }
}

/** Runs a step whose own failure must not hide an error that is on its way. */
function warnOnFailure(log: Log, message: string, step: () => void): void {
  try {
    step();
  } catch (thrown) {
    log.warning(message, { error: explain(thrown) });
  }
}

/** The documents of a format, in the order of writing. */
function documentsOf(format: string): string[] {
  switch (format) {
    case "JSON":
      return ["inputs.pb", "inputs.json"];
    case "YAML":
      return ["inputs.pb", "inputs.yaml"];
    case "PROTO":
      return ["inputs.pb"];
  }
  throw cannot("use --format", format, {
    input: "incorrect input download format specified, expected JSON, YAML or PROTO",
  });
}

function layoutOf(layout: string): FileLayout {
  const known = FILE_LAYOUTS.find((name) => name === layout);
  if (known !== undefined) return known;
  throw cannot("use --file-input-layout", layout, { input: `expected ${FILE_LAYOUTS.join(" or ")}` });
}

/** What a download is to do. */
export interface PlannedInputs {
  plan: DownloadPlan;
  documents: InputsDocument[];
}

/** inputs.pb, or what a task's program reads instead. */
export interface InputsDocument {
  path: string;
  /** Throws CopilotError `input` for a value that no such document can hold. */
  content: Content;
}

/** Reads the inputs, plans, and asks for the places that the plan names. Writes nothing. */
export async function planInputs(job: DownloadJob, context: DownloadContext): Promise<PlannedInputs> {
  const names = documentsOf(job.format);
  const map = await readInputs(job, context);
  const own = [...names, STAGING_NAME, STREAM_DIRECTORY];
  const plan = planDownload(map, {
    root: job.localDir,
    layout: layoutOf(job.layout),
    mode: job.mode,
    reserved: job.mode === "DOWNLOAD_STREAM" ? [...own, FAILED_MARKER] : own,
  });
  await context.allow(plan.uris);
  context.log.debug("planned", { variables: map.literals.size, actions: plan.count });
  const documents = names.map((name) => ({
    path: `${job.localDir}/${name}`,
    content: contentOf(name, plan),
  }));
  return { plan, documents };
}

function contentOf(name: string, { local }: DownloadPlan): Content {
  if (name === "inputs.json") return inputsJson(local);
  if (name === "inputs.yaml") return inputsYaml(local);
  return (write) => encodeParts("LiteralMap", local).forEach(write);
}

/** Writes a document under a temporary name. */
function stage(
  { path, content }: InputsDocument,
  { staging, staged }: { staging: Staging; staged: StagedFile[] },
): void {
  try {
    const document = staging.create(0o666);
    staged.push(document);
    content((bytes) => document.file.write(bytes));
  } catch (thrown) {
    const error = from(thrown, { action: "write", object: path });
    // What cannot be written names its variable already.
    throw error.code === "input" ? error : about(error, `write ${path.slice(path.lastIndexOf("/") + 1)}`);
  }
}

/** The LiteralMap with every offloaded literal in place. */
async function readInputs(
  job: DownloadJob,
  { session, stores, allow }: DownloadContext,
): Promise<LiteralMap> {
  const { signal } = session;
  const budget = stores.budget();
  const read = (uri: string, what: string) =>
    stores.read(uri, { what, maxBytes: job.maxMetadataBytes, signal, budget });
  const bytes = await read(job.from, "the inputs").catch(async (thrown) => {
    const location = await stores.at(job.from, "--from-remote");
    throw await withNearest(thrown, location, { clock: session.system.clock, signal });
  });
  const what = `the inputs "${shownUri(job.from)}"`;
  budget.take(decodedCost("LiteralMap", bytes), what);
  const map = decoded(bytes, what, decodeLiteralMap);
  for (let round = 0, total = 0;; round++) {
    const references = offloadedIn(map);
    if (references.length === 0) return map;
    total += references.length;
    if (round === OFFLOADED_ROUNDS || total > MAX_OFFLOADED) {
      const { variable, uri } = references[0]!;
      const fault = round === OFFLOADED_ROUNDS
        ? `"${shownUri(uri)}" is offloaded more than ${OFFLOADED_ROUNDS} times`
        : `with "${shownUri(uri)}" there are more than ${MAX_OFFLOADED} offloaded literals`;
      throw cannot(`read variable ${variable}`, { input: fault });
    }
    await allow(references.map(({ uri }) => uri));
    await inParallel(references, async (reference) => {
      const asked = `the offloaded literal of variable ${reference.variable}`;
      const bytes = await read(reference.uri, asked);
      const what = `${asked} "${shownUri(reference.uri)}"`;
      budget.take(decodedCost("Literal", bytes), what);
      resolveOffloaded(reference, decoded(bytes, what, decodeLiteral), bytes.length);
    });
  }
}

function decoded<T>(bytes: Uint8Array, what: string, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes);
  } catch (thrown) {
    throw about(thrown, `read ${what}`);
  }
}

interface CarryOut extends DownloadContext, FetchContext {
  markers: StreamMarkers | null;
}

function isEmpty(files: Files, directory: string): boolean {
  for (const _ of files.readDir(directory)) return false;
  return true;
}

async function carryOut(plan: DownloadPlan, context: CarryOut): Promise<void> {
  const { session, markers } = context;
  markers?.expect(plan.actions);
  let turn = 0;
  await inParallel(plan.actions, async (action) => {
    try {
      // Values are written without a wait: of a million, the deadline and a signal have to get their turn too.
      if (++turn % ACTIONS_PER_TURN === 0) await session.system.clock.sleep(0, session.signal);
      await act(action, context, () => markers?.finished(action));
    } catch (error) {
      // At once, so that a long listing of another variable ends too.
      session.fail(error);
      throw error;
    }
  }).catch(() => {});
  session.progress.isAllKnown = true;
  await session.settle();
}

/** A span around an action: `end` ends it and is what the action calls when it is done. */
function withSpan(
  { kind, variable }: Action,
  { span = NO_SPAN }: CarryOut,
  done: () => void,
): { span: Span; end(): void } {
  const own = span.child(`variable ${variable}`, { kind });
  return {
    span: own,
    end() {
      own.end();
      done();
    },
  };
}

/** Carries out one action; `done` is called when all its bytes are in place. */
async function act(action: Action, context: CarryOut, done: () => void): Promise<void> {
  const { session, staging } = context;
  try {
    switch (action.kind) {
      case "directory":
        staging.ensureDirectory(action.path);
        return done();
      case "write":
        staging.write(action.path, (write) => action.content(write), action.mode);
        session.progress.files++;
        session.expect(1, 0);
        return done();
      case "object": {
        session.expect(1, 0);
        const ended = withSpan(action, context, done);
        return await session.start(() => fetchObject(action, context).then(() => ended.end()));
      }
      case "prefix": {
        const ended = withSpan(action, context, done);
        return await fetchPrefix(action, { ...context, span: ended.span }, () => ended.end());
      }
    }
  } catch (error) {
    throw withVariable(error, action);
  }
}

/** Runs `work` for every item, a few at a time, until one fails. */
async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let step; !failed && !(step = iterator.next()).done;) {
      try {
        await work(step.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: PRODUCERS }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
