/**
 * The stores of a run: opened when a URI first needs them, wrapped in the one retry layer, shared, closed together.
 * @module
 */
import { settingsFor, type StorageConfig } from "../config.ts";
import { CopilotError } from "../errors.ts";
import type { BackendContext } from "./backend.ts";
import { openStore } from "./backends/mod.ts";
import { createHasher } from "./checksum.ts";
import { RetryBudget, type RetryPolicy, withRetry } from "./retry.ts";
import { type ObjectInfo, type ObjectStore, readAll } from "./store.ts";
import { lengthError, verify } from "./transfer/pump.ts";
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
  retry: RetryPolicy;
}

/** Opens stores on demand. */
export class Stores {
  readonly #options: StoresOptions;
  readonly #open = new Map<string, Promise<ObjectStore>>();
  /** Not the run's own signal: what a cancelled run has begun is taken back over the same connections. */
  readonly #over = new AbortController();

  constructor(options: StoresOptions) {
    // One budget of retries for all stores of the run.
    this.#options = { ...options, retry: { budget: new RetryBudget(), ...options.retry } };
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
      }).then((store) => withRetry(store, retry));
      this.#open.set(id, opening);
    }
    return { store: await opening, key: uri.key, uri };
  }

  /**
   * Reads a metadata object (LiteralMap, literal, interface) into memory.
   *
   * @param options.maxBytes 0 for no bound (`storage.limits.maxDownloadMBs`)
   * @throws CopilotError `input` when it is larger; `integrity` when bytes differ from the store's checksum
   */
  async read(
    text: string,
    options: { what: string; maxBytes: number; signal: AbortSignal },
  ): Promise<Uint8Array> {
    const { store, key, uri } = await this.at(text, options.what);
    const got = await store.get(key, { signal: options.signal });
    const object = shownUri(formatUri(uri));
    const bound = options.maxBytes === 0 ? Number.MAX_SAFE_INTEGER : options.maxBytes;
    const tooLarge = () =>
      new CopilotError(
        "input",
        `Cannot read ${options.what} "${object}": it is larger than ${bound} bytes ` +
          "(storage.limits.maxDownloadMBs; 0 means no bound)",
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
