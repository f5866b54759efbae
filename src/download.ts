/**
 * The download flow: LiteralMap in, files and documents out. See README.md, "Download".
 * @module
 */
import { about, CopilotError } from "./errors.ts";
import { inputsJson, inputsYaml } from "./flyte/documents.ts";
import { decodeLiteral, decodeLiteralMap, encodeLiteralMap } from "./flyte/idl.ts";
import { decodedKey, KeyTree, listPrefix, relativePathOfKey } from "./flyte/keys.ts";
import { offloadedIn, resolveOffloaded } from "./flyte/offloaded.ts";
import { type Action, type DownloadPlan, planDownload } from "./flyte/plan_download.ts";
import type { LiteralMap } from "./flyte/types.ts";
import type { Engine } from "./storage/transfer/engine.ts";
import { getFile } from "./storage/transfer/get.ts";
import { Staging, STAGING_NAME } from "./storage/transfer/staging.ts";
import type { ListPage, ObjectInfo } from "./storage/store.ts";
import type { Place, Stores } from "./storage/stores.ts";
import type { Log } from "./log.ts";

/** Names of the formats that `--format` takes. */
const FORMATS = ["JSON", "YAML", "PROTO"];
/** Variables whose objects are looked for at the same time; the objects themselves are bounded by the pool. */
const PRODUCERS = 8;
/** A literal that was offloaded may hold offloaded ones, and so on; real ones do not. */
const OFFLOADED_ROUNDS = 16;
/** Directory of the markers that DOWNLOAD_STREAM leaves for a main container that runs beside it. */
export const STREAM_DIRECTORY = ".copilot-stream";

/** What the download flow takes. */
export interface DownloadJob {
  /** URI of the LiteralMap. */
  from: string;
  /** Absolute path of the directory; it exists. */
  localDir: string;
  format: string;
  layout: "DIRECT" | "NAMED_DIR";
  mode: "DOWNLOAD_EAGER" | "DOWNLOAD_STREAM" | "DO_NOT_DOWNLOAD";
  /** Bound for metadata objects in bytes; 0 for none. */
  maxMetadataBytes: number;
}

/** What it works with. */
export interface DownloadContext {
  engine: Engine;
  stores: Stores;
  log: Log;
  /** Resolves once the run may reach the places that these URIs name; see run.ts. */
  allow(uris: readonly string[]): Promise<void>;
}

/**
 * Downloads a task's inputs: every variable within the run's one pool, the documents last.
 *
 * @throws CopilotError for whatever failed first; nothing that is not whole has its final name then
 */
export async function download(job: DownloadJob, context: DownloadContext): Promise<void> {
  const { engine, log } = context;
  if (!FORMATS.includes(job.format)) {
    throw new CopilotError(
      "input",
      `Cannot use --format "${job.format}": incorrect input download format specified, expected JSON, YAML or PROTO`,
    );
  }
  const map = await readInputs(job, context);
  const documents = { JSON: ["inputs.pb", "inputs.json"], YAML: ["inputs.pb", "inputs.yaml"] }[job.format] ??
    ["inputs.pb"];
  const plan = planDownload(map, {
    root: job.localDir,
    layout: job.layout,
    mode: job.mode,
    reserved: [...documents, STAGING_NAME, STREAM_DIRECTORY],
  });
  await context.allow(
    plan.actions.flatMap((action) =>
      action.kind === "object" || action.kind === "prefix" ? [action.uri] : []
    ),
  );
  log.debug("planned", { variables: map.literals.size, actions: plan.actions.length });
  // Made before anything moves, so that a value no document can hold fails at once.
  const contents = documents.map((name) => ({
    path: `${job.localDir}/${name}`,
    bytes: document(name, plan),
  }));
  const staging = new Staging(engine.system.files, job.localDir);
  staging.cleanUp();
  try {
    for (const { path } of contents) engine.system.files.remove(path);
    await carryOut(plan, job, { ...context, staging });
    for (const { path, bytes } of contents) staging.write(path, bytes, 0o666);
  } finally {
    staging.cleanUp();
  }
}

function document(name: string, plan: DownloadPlan): Uint8Array {
  if (name === "inputs.json") return inputsJson(plan.local);
  if (name === "inputs.yaml") return inputsYaml(plan.local);
  return encodeLiteralMap(plan.local);
}

/** The LiteralMap with every offloaded literal in place. */
async function readInputs(job: DownloadJob, { engine, stores, allow }: DownloadContext): Promise<LiteralMap> {
  const { signal } = engine;
  const read = (uri: string, what: string) =>
    stores.read(uri, { what, maxBytes: job.maxMetadataBytes, signal });
  const map = decoded(await read(job.from, "the inputs"), `the inputs "${job.from}"`, decodeLiteralMap);
  for (let round = 0;; round++) {
    const references = offloadedIn(map);
    if (references.length === 0) return map;
    if (round === OFFLOADED_ROUNDS) {
      const { variable, uri } = references[0]!;
      throw new CopilotError(
        "input",
        `Cannot read variable ${variable}: "${uri}" is offloaded more than ${OFFLOADED_ROUNDS} times`,
      );
    }
    await allow(references.map(({ uri }) => uri));
    await inParallel(references, async (reference) => {
      const what = `the offloaded literal of variable ${reference.variable}`;
      const bytes = await read(reference.uri, what);
      resolveOffloaded(reference, decoded(bytes, `${what} "${reference.uri}"`, decodeLiteral), bytes.length);
    });
  }
}

function decoded<T>(bytes: Uint8Array, what: string, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes);
  } catch (thrown) {
    throw about(thrown, `Cannot read ${what}`, what);
  }
}

interface CarryOut extends DownloadContext {
  staging: Staging;
}

async function carryOut(plan: DownloadPlan, job: DownloadJob, context: CarryOut): Promise<void> {
  const { engine } = context;
  const stream = job.mode === "DOWNLOAD_STREAM" ? new StreamMarkers(job.localDir, context.staging) : null;
  stream?.expect(plan.actions);
  try {
    await inParallel(plan.actions, async (action) => {
      await act(action, context, () => stream?.finished(action));
    }).catch((error) => engine.fail(error));
    await engine.settle();
  } catch (error) {
    stream?.failed();
    throw error;
  }
}

/** Carries out one action; `done` is called when all its bytes are in place. */
async function act(action: Action, context: CarryOut, done: () => void): Promise<void> {
  const { engine, staging } = context;
  try {
    switch (action.kind) {
      case "directory":
        staging.ensureDirectory(action.path);
        return done();
      case "write":
        staging.write(action.path, action.bytes, action.mode);
        engine.progress.files++;
        return done();
      case "object":
        return await engine.start(() => named(action, () => fetchObject(action, context)).then(done));
      case "prefix":
        return await fetchPrefix(action, context, done);
    }
  } catch (error) {
    throw withVariable(error, action);
  }
}

type BlobAction = Extract<Action, { kind: "object" | "prefix" }>;

/** Fetches one object; where its key does not exist and holds `%XX`, the decoded key (../conformance, rule 7). */
async function fetchObject(action: BlobAction, context: CarryOut): Promise<void> {
  const { engine, staging } = context;
  const place = await context.stores.at(action.uri, `variable ${action.variable}`);
  const target = { staging, path: action.path };
  try {
    await getFile(engine, place.store, place.key, target);
  } catch (error) {
    const other = error instanceof CopilotError && error.code === "not-found" ? otherKey(place) : null;
    if (other === null) throw error;
    await getFile(engine, place.store, other, target).catch((second) => {
      throw second instanceof CopilotError && second.code === "not-found" ? error : second;
    });
  }
}

function otherKey(place: Place): string | null {
  return place.uri.scheme === "http" || place.uri.scheme === "https" ? null : decodedKey(place.key);
}

/** Fetches all objects below a prefix, a page at a time; a page is asked for while the one before is on its way. */
async function fetchPrefix(action: BlobAction, context: CarryOut, done: () => void): Promise<void> {
  const { engine, staging } = context;
  const place = await context.stores.at(action.uri, `variable ${action.variable}`);
  const { store } = place;
  staging.ensureDirectory(action.path);
  let prefix = listPrefix(place.key);
  let page = await store.list(prefix, { signal: engine.signal });
  const decoded = page.objects.length === 0 ? otherKey(place) : null;
  if (decoded !== null) {
    prefix = listPrefix(decoded);
    page = await store.list(prefix, { signal: engine.signal });
  }
  const tree = new KeyTree({ sorted: store.traits.sortedList });
  let open = 1;
  const finished = () => {
    if (--open === 0) done();
  };
  for (;;) {
    const following: Promise<ListPage> | null = page.next === undefined
      ? null
      : store.list(prefix, { signal: engine.signal, token: page.next });
    following?.catch(() => {});
    for (const object of page.objects) {
      const task = placeObject(object, { prefix, action, context, place, tree });
      if (task === null) continue;
      open++;
      await engine.start(() => named(action, task).then(finished));
    }
    if (following === null) break;
    page = await following;
  }
  finished();
}

interface PrefixJob {
  prefix: string;
  action: BlobAction;
  context: CarryOut;
  place: Place;
  tree: KeyTree;
}

/** What there is to do for one listed object, its directories made; null where that was all. */
function placeObject(object: ObjectInfo, job: PrefixJob): (() => Promise<void>) | null {
  const { engine, staging } = job.context;
  const found = relativePathOfKey(job.prefix, object);
  if (found === null) return null;
  for (const directory of job.tree.add(found)) staging.ensureDirectory(`${job.action.path}/${directory}`);
  if (found.kind === "directory") return null;
  return () =>
    getFile(engine, job.place.store, object.key, { staging, path: `${job.action.path}/${found.path}` });
}

function named(action: Action, task: () => Promise<void>): Promise<void> {
  return task().catch((error) => {
    throw withVariable(error, action);
  });
}

/** Puts the variable's name in front of an error's message. */
function withVariable(thrown: unknown, { variable }: Action): CopilotError {
  return about(thrown, `Cannot download variable ${variable}`, `variable ${variable}`);
}

/** Runs `work` for every item, a few at a time, until one fails. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < items.length && !failed) {
      try {
        await work(items[next++]!);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(PRODUCERS, items.length) }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/**
 * The end-of-stream markers of DOWNLOAD_STREAM: `.copilot-stream/<variable>` appears when all of a variable's files are in
 * place, `.copilot-stream/.failed` when the download has failed and nothing more will come.
 */
class StreamMarkers {
  readonly #directory: string;
  readonly #staging: Staging;
  readonly #open = new Map<string, number>();

  constructor(localDir: string, staging: Staging) {
    this.#directory = `${localDir}/${STREAM_DIRECTORY}`;
    this.#staging = staging;
  }

  expect(actions: readonly Action[]): void {
    for (const action of actions) this.#open.set(action.input, (this.#open.get(action.input) ?? 0) + 1);
  }

  finished(action: Action): void {
    const left = this.#open.get(action.input)! - 1;
    this.#open.set(action.input, left);
    if (left === 0) this.#mark(action.input);
  }

  failed(): void {
    this.#mark(".failed");
  }

  #mark(name: string): void {
    this.#staging.ensureDirectory(this.#directory);
    this.#staging.write(`${this.#directory}/${name}`, new Uint8Array(0), 0o666);
  }
}
