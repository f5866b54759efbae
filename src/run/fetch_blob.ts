/**
 * Fetching what a blob, schema or dataset names: one object, or all that lies below a prefix.
 * @module
 */
import { about, type CopilotError } from "../errors.ts";
import { KeyTree, relativePathOfKey } from "../flyte/plan/keys.ts";
import { subjectOf } from "../flyte/plan/names.ts";
import type { Action } from "../flyte/plan/plan_download.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { ListPage, ObjectInfo, ObjectStore } from "../storage/store.ts";
import type { ObjectLocation, Stores } from "../storage/stores.ts";
import type { Log } from "../system/log.ts";
import { firstPage, firstSpelling, infoOrNull, keysOf, loneObject } from "./locate.ts";
import { withNearest } from "./nearest.ts";
import type { DiskRoom } from "./disk_room.ts";
import { getFile } from "../transfer/get.ts";
import { isKept, maybeKept } from "../transfer/kept.ts";
import type { TransferSession } from "../transfer/session.ts";
import { NO_SPAN, SharedSpan, type Span } from "../telemetry/mod.ts";
import type { Staging } from "../transfer/staging.ts";

/** What fetching takes. */
export interface FetchContext {
  session: TransferSession;
  stores: Stores;
  staging: Staging;
  disk: DiskRoom;
  log: Log;
  /** The variable's span; default: nobody is told. */
  span?: Span;
  /** The directory holds what an earlier run has left: a file in place may be the object already. */
  resumes: boolean;
}

type BlobAction = Extract<Action, { kind: "object" | "prefix" }>;

/** Puts the variable before what went wrong with an action. */
export function withVariable(thrown: unknown, { variable }: Action): CopilotError {
  return about(thrown, subjectOf("download", variable));
}

/**
 * Fetches one object to its path, under the first of its spellings that exists.
 *
 * @throws CopilotError with the variable; `not-found` names the key as it is written
 */
export async function fetchObject(action: BlobAction, context: FetchContext): Promise<void> {
  const { session } = context;
  try {
    const location = await context.stores.at(action.uri, `variable ${action.variable}`);
    const fetch = (key: string) =>
      fetchWhole({ key }, location.store, { action, path: action.path, context });
    const { key } = await firstSpelling(location, fetch).catch(async (thrown) => {
      throw await withNearest(thrown, location, { clock: session.system.clock, signal: session.signal });
    });
    warnOfSpelling(key, location, { action, context });
  } catch (thrown) {
    throw withVariable(thrown, action);
  }
}

/** A key that is not even the decoded name is a guess, if a good one. */
function warnOfSpelling(key: string, location: ObjectLocation, { action, context }: Work): void {
  if (keysOf(location).indexOf(key) < 1 || !/[#?]/.test(location.key) || /[#?]/.test(key)) return;
  context.log.warning(
    "the object is stored under the part of its name before # or ?, and was taken from there",
    {
      variable: action.variable,
      uri: shownUri(action.uri),
      key,
    },
  );
}

interface Work {
  action: BlobAction;
  context: FetchContext;
}

interface Target extends Work {
  path: string;
}

/**
 * Fetches one object to a path, again while its bytes are damaged on their way.
 *
 * @param object.size what a listing says, in bytes
 */
async function fetchWhole(object: Listed, store: ObjectStore, target: Target): Promise<void> {
  const { session, staging, stores, resumes } = target.context;
  const { key, size } = object;
  if (resumes && await isThere(object, store, target)) {
    session.progress.files++;
    session.progress.kept++;
    session.expect(0, -(size ?? 0));
    return;
  }
  const named = (error: unknown) => withVariable(error, target.action);
  const space = new FileSpace(`${store.root}/${key}`, target);
  try {
    await stores.whole(
      { store, key },
      session.signal,
      (verification) =>
        getFile(session, store, key, {
          staging,
          path: target.path,
          verification,
          named,
          room: (bytes) => space.take(bytes),
          ...(size !== undefined && { size }),
        }),
    );
  } catch (thrown) {
    throw space.giveBack(thrown);
  }
}

/** The space of one file on the disk, whichever try it takes. */
class FileSpace {
  readonly #uri: string;
  readonly #target: Target;
  #bytes = 0;
  /** Of these bytes, what the disk has to find room for. */
  #taken = 0;

  constructor(uri: string, target: Target) {
    this.#uri = uri;
    this.#target = target;
  }

  take(bytes: number): void {
    const { path, context: { session, disk, resumes } } = this.#target;
    disk.giveBack(this.#taken);
    this.#taken = 0;
    this.#bytes = bytes;
    const replaced = resumes ? session.system.files.lstat(path)?.size ?? 0 : 0;
    this.#taken = disk.take(bytes, replaced, this.#uri);
  }

  /** The file is not written after all; the error says what was needed where the disk is full. */
  giveBack(thrown: unknown): unknown {
    const { disk } = this.#target.context;
    disk.giveBack(this.#taken);
    this.#taken = 0;
    return disk.explain(thrown, this.#bytes);
  }
}

/** A key, with what a listing says of it. */
type Listed = Pick<ObjectInfo, "key"> & Partial<ObjectInfo>;

/** Whether an earlier run has left the object whole. A listing may lack the checksum that a HEAD has. */
async function isThere(listed: Listed, store: ObjectStore, { path, context }: Target): Promise<boolean> {
  const { session } = context;
  if (!maybeKept(session, path, listed.size)) return false;
  const { size } = listed;
  if (size !== undefined && await isKept(session, path, { ...listed, size })) return true;
  const info = await infoOrNull(store, listed.key, session.signal);
  return info !== null && await isKept(session, path, info);
}

/** Fetches all objects below a prefix, a page at a time; a page is asked for while the one before is on its way. */
export async function fetchPrefix(
  action: BlobAction,
  context: FetchContext,
  done: () => void,
): Promise<void> {
  const { session, stores, staging, span = NO_SPAN } = context;
  const location = await stores.at(action.uri, `variable ${action.variable}`);
  staging.ensureDirectory(action.path);
  const first = await firstPage(location, session.signal);
  if (first === null) return await fetchLone(location, { action, context }, done);
  warnOfSpelling(first.key, location, { action, context });
  const { store } = location;
  const { prefix } = first;
  let open = 1;
  const finished = () => {
    if (--open === 0) done();
  };
  const start = async (task: Task, group: SharedSpan) => {
    open++;
    group.hold();
    await session.start(() =>
      task().then(() => {
        group.release();
        finished();
      })
    );
  };
  const tree = new KeyTree<Task>({ sorted: store.traits.sortedList });
  for (let page = first.page;;) {
    const following: Promise<ListPage> | null = page.next === undefined
      ? null
      : store.list(prefix, { signal: session.signal, token: page.next });
    following?.catch(() => {});
    session.expect(page.objects.length, page.objects.reduce((sum, { size }) => sum + size, 0));
    const group = new SharedSpan(span.child("objects", { listed: page.objects.length }));
    for (const object of page.objects) {
      for (const task of placeObject(object, { prefix, action, context, store, tree })) {
        await start(task, group);
      }
    }
    group.release();
    if (following === null) break;
    page = await following;
  }
  const rest = new SharedSpan(span.child("objects"));
  for (const task of tree.rest()) await start(task, rest);
  rest.release();
  finished();
}

type Task = () => Promise<void>;

/** Fetches what a prefix is that nothing lies below: an object, or nothing. */
async function fetchLone(location: ObjectLocation, work: Work, done: () => void): Promise<void> {
  const { action, context: { session, log } } = work;
  const lone = await loneObject(location, session.signal);
  if (lone === null) {
    log.warning("nothing lies below the prefix, and it is no object: the directory is empty", {
      variable: action.variable,
      uri: shownUri(action.uri),
    });
    return done();
  }
  const { key, name, info } = lone;
  warnOfSpelling(key, location, work);
  if (info.size === 0) return done();
  const path = `${action.path}/${name}`;
  await session.start(() =>
    named(() => fetchWhole({ key }, location.store, { ...work, path }), action).then(done)
  );
}

interface PrefixJob extends Work {
  prefix: string;
  store: ObjectStore;
  tree: KeyTree<Task>;
}

/** What there is to do once an object is listed, its directories made. */
function placeObject(object: ObjectInfo, { prefix, action, context, store, tree }: PrefixJob): Task[] {
  const found = relativePathOfKey(prefix, object);
  if (found === null) return [];
  const path = `${action.path}/${found.path}`;
  const task = () => named(() => fetchWhole(object, store, { action, path, context }), action);
  const isHeld = found.kind === "file" && object.size === 0;
  for (const directory of isHeld ? tree.add(found, task) : tree.add(found)) {
    context.staging.ensureDirectory(`${action.path}/${directory}`);
  }
  const released = tree.released();
  if (found.kind === "directory" || isHeld) return released;
  return released.length === 0 ? [task] : [...released, task];
}

function named(task: Task, action: Action): Promise<void> {
  return task().catch((error) => {
    throw withVariable(error, action);
  });
}
