/**
 * The stores of a run: opened when a URI first needs them, wrapped in the one retry layer, shared, closed together.
 * @module
 */
import { settingsFor, type StorageConfig } from "../config/mod.ts";
import { cannot, CopilotError, from } from "../errors.ts";
import type { VerifyMode } from "../config/verify_modes.ts";
import type { BackendContext } from "./backend.ts";
import { openStore } from "./backends/mod.ts";
import { createHasher } from "./checksum.ts";
import { withEndingLists } from "./listing.ts";
import { MetadataBudget, metadataBytesFor, MORE_MEMORY } from "./metadata_budget.ts";
import { NotResumable } from "./resume.ts";
import { Attempts, RetryBudget, type RetryPolicy, withRetry } from "./retry.ts";
import { type ChecksumName, type ObjectInfo, type ObjectStore, readAll, type StoreTraits } from "./store.ts";
import { formatUri, parseUri, type StoreUri } from "./uri.ts";
import { shownUri } from "../text/shown_uri.ts";
import { EtagTrust, lengthError, Verification } from "./verification.ts";

/** A key in a store. */
export interface ObjectLocation {
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
  /** Which MD5s are compared. Default: `always`. */
  verify?: VerifyMode;
  /** An object was not compared with its store's checksum. */
  onUnverified?(): void;
  /** A store of the run has been opened. */
  onOpen?(store: ObjectStore): void;
  /** Tells of what was odd and did not fail the run. */
  warn(message: string): void;
}

/** How a metadata object is read. */
interface ReadOptions {
  /** For messages: `the inputs`. */
  what: string;
  maxBytes: number;
  signal: AbortSignal;
  /** What the document is counted in, beside the others of the run. */
  budget?: MetadataBudget;
}

/** How often an object is fetched whose bytes are not those that the store has; each time costs all of it. */
const DAMAGED_ATTEMPTS = 5;

/** A smaller object's MD5 costs less than its request. */
const LARGE_MD5_BYTES = 8 * 1024 * 1024;

/** From how many bytes on an object's MD5 is not worth its price: TLS has found what was damaged on the way. */
function skipMd5FromBytes(verify: VerifyMode, { encrypted }: StoreTraits): number {
  if (verify === "never") return 0;
  return verify === "auto" && encrypted ? LARGE_MD5_BYTES : Infinity;
}

/** Opens stores on demand. */
export class Stores {
  readonly #options: StoresOptions & { retry: { budget: RetryBudget } };
  readonly #open = new Map<string, Promise<ObjectStore>>();
  readonly #trust = new WeakMap<ObjectStore, EtagTrust>();
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
  async at(text: string, what: string): Promise<ObjectLocation> {
    const uri = parseUri(text, what);
    const id = `${uri.scheme}://${uri.container}@${uri.host}`;
    let opening = this.#open.get(id);
    if (opening === undefined) {
      const { config, context, retry, onOpen } = this.#options;
      opening = openStore(uri, settingsFor(uri.scheme, config), {
        ...context,
        signal: this.#over.signal,
      }).then((store) => {
        onOpen?.(store);
        return withRetry(withEndingLists(store), retry);
      });
      this.#open.set(id, opening);
    }
    return { store: await opening, key: uri.key, uri };
  }

  /**
   * Fetches an object again, from its first byte, while its bytes are damaged on their way, or where it broke and cannot be resumed.
   *
   * @param fetch fetches it and has its bytes judged; throws CopilotError `integrity` for bytes that are not the store's
   * @throws CopilotError as `fetch`, with the number of attempts where it was tried more than once
   */
  async whole<T>(
    { store, key }: Pick<ObjectLocation, "store" | "key">,
    signal: AbortSignal,
    fetch: (verification: Verification) => Promise<T>,
  ): Promise<T> {
    const uri = `${store.root}/${key}`;
    const { warn, verify = "always", onUnverified } = this.#options;
    const verification = new Verification({
      uri,
      trust: this.#trustIn(store),
      skipMd5FromBytes: skipMd5FromBytes(verify, store.traits),
      skipped: () => onUnverified?.(),
      warn,
    });
    // Nearly every object is whole at once, so what a further try needs is made for the first one that is not.
    let damaged: Attempts | undefined;
    let broken: Attempts | undefined;
    for (;;) {
      try {
        return await fetch(verification);
      } catch (thrown) {
        const job = { action: "read", uri, signal, compares: true };
        const { code } = from(thrown, { action: "read", object: shownUri(uri) });
        if (thrown instanceof NotResumable) {
          await (broken ??= new Attempts(this.#options.retry, job)).waitOrThrow(thrown);
        } else if (code === "integrity" || code === "aborted") {
          damaged ??= new Attempts({ ...this.#options.retry, attempts: DAMAGED_ATTEMPTS }, job);
          await damaged.waitOrThrow(thrown);
        } // Everything else has been tried again below.
        else throw thrown;
      }
    }
  }

  #trustIn(store: ObjectStore): EtagTrust {
    const known = this.#trust.get(store) ?? new EtagTrust();
    this.#trust.set(store, known);
    return known;
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
    // Counted once, however often it is fetched.
    let { budget } = options;
    const count = (bytes: number) => {
      budget?.takeBytes(bytes, `${options.what} "${object}"`);
      budget = undefined;
    };
    return await this.whole(place, options.signal, async (verification) => {
      const { info, bytes } = await this.#read(place, object, { ...options, count });
      await assertWhole(bytes, info, { object, verification });
      return bytes;
    });
  }

  async #read(
    { store, key }: ObjectLocation,
    object: string,
    options: ReadOptions & { count(bytes: number): void },
  ) {
    const got = await store.get(key, { signal: options.signal });
    const byMemory = metadataBytesFor(this.#options.memoryLimitBytes);
    const bound = Math.min(options.maxBytes === 0 ? Infinity : options.maxBytes, byMemory);
    const setting = bound === byMemory
      ? `what the memory limit leaves for it; ${MORE_MEMORY}`
      : "storage.limits.maxDownloadMBs; 0 means no bound";
    const tooLarge = () =>
      cannot(`read ${options.what}`, object, { input: `it is larger than ${bound} bytes (${setting})` });
    try {
      if (got.info.size > bound) throw tooLarge();
      options.count(got.info.size);
    } catch (thrown) {
      got.body.close();
      throw thrown;
    }
    return { info: got.info, bytes: await readAll(got.body, bound, tooLarge) };
  }

  /** The budget for decoded documents, of which a run makes one. */
  budget(): MetadataBudget {
    return new MetadataBudget(this.#options.memoryLimitBytes);
  }

  /** Closes every store. */
  async close(): Promise<void> {
    for (const opening of this.#open.values()) await opening.then((store) => store.close(), () => {});
    this.#open.clear();
    this.#over.abort(new CopilotError("aborted", "The run is over"));
  }
}

/** Throws CopilotError `integrity` unless the bytes are those that the store has. */
async function assertWhole(
  bytes: Uint8Array,
  info: ObjectInfo,
  { object, verification }: { object: string; verification: Verification },
): Promise<void> {
  if (bytes.length !== info.size) throw lengthError(object, bytes.length, info.size);
  const wanted = verification.wanted(info);
  if (wanted === undefined) return;
  const digest = async (name: ChecksumName) => {
    const hasher = await createHasher(name);
    hasher.update(bytes);
    return hasher.hex();
  };
  await verification.check({ info, hex: await digest(wanted.name), digest });
}
