/**
 * Objects that an earlier life of this sidecar has stored whole: an upload that was killed and starts again does not send them once
 * more. One listing for a directory, nothing for an object that is not there.
 * @module
 */
import { CopilotError } from "../errors.ts";
import type { ObjectInfo, ObjectStore } from "../storage/store.ts";
import { isKept } from "../transfer/kept.ts";
import type { TransferSession } from "../transfer/session.ts";

/** Objects remembered; those beyond go up again. */
const MAX_OBJECTS = 50_000;

/** What is in the store already, of one action's keys. */
export class KeptObjects {
  readonly #session: TransferSession;
  readonly #store: ObjectStore;
  readonly #listed = new Map<string, ObjectInfo>();

  constructor(session: TransferSession, store: ObjectStore) {
    this.#session = session;
    this.#store = store;
  }

  /** Looks what is below a prefix. Who may write need not be allowed to list: then nothing is kept. */
  async list(prefix: string): Promise<void> {
    const { signal } = this.#session;
    try {
      let page = await this.#store.list(prefix, { signal });
      for (;;) {
        for (const object of page.objects) this.#listed.set(object.key, object);
        if (page.next === undefined || this.#listed.size >= MAX_OBJECTS) return;
        page = await this.#store.list(prefix, { signal, token: page.next });
      }
    } catch (thrown) {
      if (!isRefused(thrown)) throw thrown;
    }
  }

  /** Looks at one key. */
  async look(key: string): Promise<void> {
    const info = await this.#headOrNull(key);
    if (info !== null) this.#listed.set(key, info);
  }

  /** Whether an object is what a file is now: as many bytes, with the same checksum. */
  async has(key: string, path: string): Promise<boolean> {
    const listed = this.#listed.get(key);
    if (listed === undefined) return false;
    if (await isKept(this.#session, path, listed)) return true;
    if (listed.checksum !== undefined || listed.size !== this.#session.system.files.lstat(path)?.size) {
      return false;
    }
    // What was stored in parts has no MD5 for an ETag, but a checksum that only a HEAD tells.
    const info = await this.#headOrNull(key);
    return info?.checksum !== undefined && await isKept(this.#session, path, info);
  }

  async #headOrNull(key: string): Promise<ObjectInfo | null> {
    try {
      return await this.#store.head(key, { signal: this.#session.signal });
    } catch (thrown) {
      if (isRefused(thrown)) return null;
      throw thrown;
    }
  }
}

function isRefused(thrown: unknown): boolean {
  return thrown instanceof CopilotError && (thrown.code === "not-found" || thrown.code === "denied");
}
