/**
 * The stores of a run: opened when a URI first needs them, wrapped in the one retry layer, shared, closed together.
 * @module
 */
import { settingsFor, type StorageConfig } from "../config/mod.ts";
import { CopilotError, from } from "../errors.ts";
import type { BackendContext } from "./backend.ts";
import { openStore } from "./backends/mod.ts";
import { createHasher } from "./checksum.ts";
import { withEndingLists } from "./listing.ts";
import { metadataBytesFor, MetadataRoom, MORE_MEMORY } from "./metadata_room.ts";
import { Attempts, RetryBudget, type RetryPolicy, withRetry } from "./retry.ts";
import { type ObjectInfo, type ObjectStore, readAll } from "./store.ts";
import { lengthError, verify } from "../transfer/pump.ts";
import { formatUri, parseUri, shownUri, type StoreUri } from "./uri.ts";

/** A place in a store. */
export interface Place {
  store: ObjectStore;
  key: string;
  uri: StoreUri;
}

/** What a run may reach. */
export interface StoresOptions {
  config: StorageConfig;
  context: Omit<BackendContext, "signal">;
  /** Bytes that the whole process may use; metadata that would not fit is refused. Default: no bound. */
  memoryLimitBytes?: number;
  retry: RetryPolicy;
}

/** How a metadata object is read. */
interface ReadOptions {
  /** For messages: `the inputs`. */
  what: string;
  maxBytes: number;
  signal: AbortSignal;
}

/** How often an object is fetched whose bytes are not those that the store has; each time costs all of it. */
const DAMAGED_ATTEMPTS = 5;

/** Opens stores on demand. */
export class Stores {
  readonly #options: StoresOptions & { retry: { budget: RetryBudget } };
  readonly #open = new Map<string, Promise<ObjectStore>>();
  /** Not the run's own signal: what a cancelled run has begun is taken back over the same connections. */
  readonly #over = new AbortController();

  constructor(options: StoresOptions) {
    // One budget of retries for all stores of the run.
    this.#options = {
      ...options,
      retry: { ...options.retry, budget: options.retry.budget ?? new RetryBudget() },
    };
  }

  /**
   * The store and key behind a URI.
   *
   * @param what where the URI comes from, for messages: `--from-remote`, `the input "x"`
   * @throws CopilotError `input` for a URI that is none, `unsupported` for a scheme that is not known
   */
  async at(text: string, what: string): Promise<Place> {
    const uri = parseUri(text, what);
    const id = `${uri.scheme}://${uri.container}@${uri.host}`;
    let opening = this.#open.get(id);
    if (opening === undefined) {
      const { config, context, retry } = this.#options;
      opening = openStore(uri, settingsFor(uri.scheme, config), {
        ...context,
        signal: this.#over.signal,
      }).then((store) => withRetry(withEndingLists(store), retry));
      this.#open.set(id, opening);
    }
    return { store: await opening, key: uri.key, uri };
  }

  /**
   * Fetches an object again, from its first byte, while its bytes are damaged on their way.
   *
   * @param object URI, for messages
   * @param fetch fetches and compares it; throws CopilotError `integrity` for bytes that are not the store's
   * @throws CopilotError as `fetch`, with the number of attempts where it was tried more than once
   */
  async whole<T>(object: string, signal: AbortSignal, fetch: () => Promise<T>): Promise<T> {
    const policy = { ...this.#options.retry, attempts: DAMAGED_ATTEMPTS };
    const attempts = new Attempts(policy, { action: "read", object, signal, compares: true });
    for (;;) {
      try {
        return await fetch();
      } catch (thrown) {
        const { code } = from(thrown, `Cannot read "${object}"`);
        // Everything else has been tried again below.
        if (code !== "integrity" && code !== "aborted") throw thrown;
        await attempts.failed(thrown);
      }
    }
  }

  /**
   * Reads a metadata object (LiteralMap, literal, interface) into memory.
   *
   * @param options.maxBytes 0 for no bound (`storage.limits.maxDownloadMBs`)
   * @throws CopilotError `input` when it is larger; `integrity` when bytes differ from the store's checksum, time after time
   */
  async read(text: string, options: ReadOptions): Promise<Uint8Array> {
    const place = await this.at(text, options.what);
    const object = shownUri(formatUri(place.uri));
    return await this.whole(object, options.signal, () => this.#read(place, object, options));
  }

  async #read({ store, key }: Place, object: string, options: ReadOptions): Promise<Uint8Array> {
    const got = await store.get(key, { signal: options.signal });
    const byMemory = metadataBytesFor(this.#options.memoryLimitBytes);
    const bound = Math.min(options.maxBytes === 0 ? Infinity : options.maxBytes, byMemory);
    const setting = bound === byMemory
      ? `what the memory limit leaves for it; ${MORE_MEMORY}`
      : "storage.limits.maxDownloadMBs; 0 means no bound";
    const tooLarge = () =>
      new CopilotError(
        "input",
        `Cannot read ${options.what} "${object}": it is larger than ${bound} bytes (${setting})`,
        { object },
      );
    if (got.info.size > bound) {
      got.body.close();
      throw tooLarge();
    }
    const bytes = await readAll(got.body, bound, tooLarge);
    await assertWhole(bytes, got.info, object);
    return bytes;
  }

  /** The room for decoded documents, of which a run makes one. */
  room(): MetadataRoom {
    return new MetadataRoom(this.#options.memoryLimitBytes);
  }

  /** Closes every store. */
  async close(): Promise<void> {
    for (const opening of this.#open.values()) await opening.then((store) => store.close(), () => {});
    this.#open.clear();
    this.#over.abort(new CopilotError("aborted", "The run is over"));
  }
}

/** Throws CopilotError `integrity` unless the bytes are those that the store has. @param object for messages */
async function assertWhole(bytes: Uint8Array, { size, checksum }: ObjectInfo, object: string): Promise<void> {
  if (bytes.length !== size) throw lengthError(object, bytes.length, size);
  if (checksum === undefined) return;
  const hasher = await createHasher(checksum.name);
  hasher.update(bytes);
  verify(object, checksum, hasher.hex());
}
