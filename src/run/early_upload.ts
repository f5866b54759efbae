/**
 * UPLOAD_EAGER: files go up while main still runs, as soon as they are stable, so that little is left when it has ended.
 *
 * Only a saving, never a decision: whatever is wrong, changes or vanishes meanwhile is left to the upload at the end, which looks at
 * everything again and sends what is not exactly what went up here.
 * @module
 */
import { explain } from "../errors.ts";
import type { LiteralType, TypedInterface } from "../flyte/types.ts";
import type { Log } from "../system/log.ts";
import { OutputDirectory } from "./output_directory.ts";
import type { ObjectStore } from "../storage/store.ts";
import type { Stores } from "../storage/stores.ts";
import type { TransferSession } from "../transfer/session.ts";
import { type LocalFile, putFile } from "../transfer/put.ts";
import { joinKey } from "../storage/uri.ts";

/** Milliseconds between two looks at the directory, at least. */
const INTERVAL_MS = 1000;
/** A look may take this part of the time, whatever the number of files. */
const LOOKING_SHARE = 0.05;
/** A file that was written to in the last so many milliseconds may be written to again. */
const QUIET_MS = 2000;
/** Files remembered; more than these go up at the end. */
const MAX_FILES = 20_000;

/** What is uploaded eagerly. */
export interface EagerJob {
  typed: TypedInterface;
  localDir: string;
  rawPrefix: string;
}

/** What it works with. */
export interface EagerContext {
  session: TransferSession;
  stores: Stores;
  log: Log;
}

interface Candidate {
  key: string;
  path: string;
  file: LocalFile;
}

interface Sent extends Candidate {
  store: ObjectStore;
  /** What the file was when it went up. */
  mark: string;
}

/** The files of one run that went up early. */
export class EagerUploads {
  readonly #job: EagerJob;
  readonly #context: EagerContext;
  /** What each file was at the last look, by path. */
  #seen = new Map<string, string>();
  readonly #sent = new Map<string, Sent>();
  readonly #underWay = new Set<string>();

  constructor(job: EagerJob, context: EagerContext) {
    this.#job = job;
    this.#context = context;
  }

  /** Looks and uploads until `ended` fires, then waits for what is under way. */
  async run(ended: AbortSignal): Promise<void> {
    const { clock } = this.#context.session.system;
    while (!ended.aborted) {
      const startMs = clock.monotonicMs();
      await this.#look(ended).catch((error) =>
        this.#context.log.debug("cannot upload early", { error: explain(error) })
      );
      const tookMs = clock.monotonicMs() - startMs;
      await clock.sleep(Math.max(INTERVAL_MS, tookMs / LOOKING_SHARE), ended).catch(() => {});
    }
    await this.#context.session.settle();
  }

  /** Whether a file, as it is now, is under this key already. */
  has(key: string, path: string): boolean {
    const sent = this.#sent.get(path);
    return sent !== undefined && sent.key === key && sent.mark === this.#mark(path);
  }

  /** Removes objects whose files are gone: a directory output must not hold what main has deleted. */
  async removeVanished(): Promise<void> {
    const { files } = this.#context.session.system;
    for (const { store, key, path } of this.#sent.values()) {
      if (files.lstat(path) === null) await store.delete(key, { signal: this.#context.session.signal });
    }
  }

  async #look(ended: AbortSignal): Promise<void> {
    const { session, stores } = this.#context;
    const { system } = session;
    const seen = new Map<string, string>();
    const { store, key } = await stores.at(joinKey(this.#job.rawPrefix, ""), "--to-raw-output");
    for (const candidate of this.#candidates(key)) {
      if (ended.aborted || seen.size >= MAX_FILES) break;
      const { path } = candidate;
      const mark = this.#mark(path);
      if (mark === null) continue;
      seen.set(path, mark);
      const mtimeMs = system.files.stat(path)?.mtimeMs ?? Infinity;
      const stable = this.#seen.get(path) === mark && system.clock.nowMs() - mtimeMs >= QUIET_MS;
      if (!stable || this.#underWay.has(path) || this.#sent.get(path)?.mark === mark) continue;
      this.#underWay.add(path);
      await session.start(() => this.#send({ ...candidate, store, mark }));
    }
    this.#seen = seen;
  }

  /** Uploads one file. Failure is not fatal; the final upload sends the file. */
  async #send(sent: Sent): Promise<void> {
    const { session, log } = this.#context;
    try {
      await putFile(session, sent.store, sent.key, sent.file);
      if (this.#mark(sent.path) === sent.mark) this.#sent.set(sent.path, sent);
    } catch (error) {
      log.debug("not uploaded early", { path: sent.path, error: explain(error) });
    } finally {
      this.#underWay.delete(sent.path);
    }
  }

  /** The files of all outputs that are files or directories by their type. */
  *#candidates(rawKey: string): Generator<Candidate> {
    const { typed, localDir } = this.#job;
    const { files } = this.#context.session.system;
    if (files.stat(localDir)?.kind !== "directory") return;
    const tree = new OutputDirectory(files, localDir);
    for (const { key: name, value } of typed.outputs?.variables ?? []) {
      if (!isStored(value?.type) || name.includes("/") || name === "..") continue;
      const path = tree.path([name]);
      const key = `${rawKey}${name}`;
      const kind = tree.kind([name]);
      if (kind === "file") yield { key, path, file: tree.file(path) };
      if (kind !== "directory") continue;
      for (const found of tree.walk(path)) {
        yield { key: `${key}/${found.relative}`, path: found.path, file: tree.file(found.path) };
      }
    }
  }

  /** What tells a file from the same file after a change; null where there is no regular file. */
  #mark(path: string): string | null {
    const found = this.#context.session.system.files.stat(path);
    return found?.kind === "file" ? `${found.size} ${found.mtimeMs} ${found.ino}` : null;
  }
}

function isStored(type: LiteralType | undefined): boolean {
  const name = type?.type?.case;
  return name === "blob" || name === "schema" || name === "structuredDatasetType";
}
