/**
 * The one retry layer: a wrapper that gives any store's calls, and the bodies it returns, further attempts.
 *
 * - Only errors that are `retryable` are tried again, after exponential backoff with full jitter, or after what the server
 *   asked for (Retry-After).
 * - Nothing is tried when it could not begin before the policy's deadline: an outage ends the run while there is still time
 *   to report it. By default an operation has 20 attempts, which last about a minute: at 30 % failing requests, one operation
 *   in 3·10^10 fails, and an outage of half a minute passes unseen.
 * - All stores of a policy share a {@linkcode RetryBudget}, so that a run does not hammer a store that is down.
 * - A body that breaks is resumed at the byte where it broke, for the version that it began with. Where nothing proves the version
 *   it fails, to be read again from its start (`Stores.whole`). Another version is `changed`, never a mix.
 * - `put` and parts open their source again, also when the store has got other bytes than were sent (`integrity`).
 *   `complete` after a lost reply: when the upload is then unknown and an object of the expected size is there, the first try
 *   did it. (An older object of the same size would be taken for it, if somebody else ended the upload in that very moment.)
 *   `beginUpload` after a lost reply may leave an upload without parts behind, where the store cannot list uploads.
 * @module
 */
import { type Attempted, CopilotError, from } from "../errors.ts";
import type { Clock } from "../system/mod.ts";
import { type ResumableRead, ResumedBody } from "./resume.ts";
import type { MultipartUpload, ObjectInfo, ObjectStore } from "./store.ts";
import { shownUri } from "../text/shown_uri.ts";

const DEFAULT_ATTEMPTS = 20;
const DEFAULT_BASE_MS = 100;
const DEFAULT_CAP_MS = 10_000;
/** A server that asks for more is asked again after this long all the same. */
const RETRY_AFTER_CAP_MS = 120_000;
const BUDGET_RETRIES = 1000;
const RETRIES_PER_SUCCESS = 3;

/** One attempt that failed and will be followed by another. */
export interface RetryEvent {
  /** URI that the operation is about. */
  object: string;
  error: CopilotError;
  /** Failed attempts of this operation so far. */
  attempt: number;
  /** Milliseconds until the next one. */
  waitMs: number;
}

/** A request that is over, with all of its attempts. */
export interface RequestEvent {
  /** The verb and the URI of `Cannot ${action} "${object}"`. */
  action: string;
  object: string;
  /** Milliseconds, waits included; of a read, until its reply began. */
  ms: number;
  retries: number;
  /** Why it failed; null where it did not. */
  error: CopilotError | null;
}

/** How often, how soon and until when. */
export interface RetryPolicy {
  clock: Pick<Clock, "monotonicMs" | "sleep">;
  /** A number in [0, 1). */
  random(): number;
  /** No attempt begins after this time on the monotonic clock; Infinity for no bound. */
  deadlineMs: number;
  /** Attempts of one operation in a row; a body's count starts again with every byte that comes. Default 20. */
  attempts?: number;
  /** The first wait is at most this long, each further one up to twice as long. Default 100. */
  baseMs?: number;
  /** No wait is longer. Default 10,000. */
  capMs?: number;
  /** Shared by the stores of a run. Default: one for each store. */
  budget?: RetryBudget;
  onRetry?(event: RetryEvent): void;
  /** Called for each request, where somebody wants to know. */
  onRequest?: ((event: RequestEvent) => void) | undefined;
}

/**
 * Retries that a run has left: a thousand to begin with, three more for each success, never more than a thousand. So a store
 * may fail three of four requests for ever, but one that is down gets no more than a thousand useless ones.
 */
export class RetryBudget {
  #left = BUDGET_RETRIES;

  /** Takes a retry, or says that none is left. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  /** A request has succeeded. */
  refill(): void {
    this.#left = Math.min(BUDGET_RETRIES, this.#left + RETRIES_PER_SUCCESS);
  }
}

/** What is attempted. */
interface Job {
  /** The verb of the message: `Cannot ${action} "${object}"`. */
  action: string;
  /** The object's URI as it is; it is made fit to be shown when there is somebody to show it to. */
  uri: string;
  signal: AbortSignal;
  /** Moves bytes and compares them, so that `integrity` means that they were damaged on their way: they are moved again. */
  compares?: boolean;
}

/** The attempts of one operation. */
export class Attempts {
  readonly #policy: RetryPolicy & { budget: RetryBudget };
  readonly #job: Job;
  #total = 0;
  #inARow = 0;
  /** What went wrong before the attempt that is under way. */
  #last: CopilotError | undefined;

  constructor(
    policy: RetryPolicy & { budget: RetryBudget },
    job: Job,
  ) {
    this.#policy = policy;
    this.#job = job;
  }

  /** What is attempted, and how often it has failed so far. */
  get tried(): { action: string; object: string; retries: number } {
    return { action: this.#job.action, object: this.#object, retries: this.#total };
  }

  get #object(): string {
    return shownUri(this.#job.uri);
  }

  /** Something has gone well: the next failure is the first again. */
  progressed(): void {
    this.#inARow = 0;
    this.#last = undefined;
  }

  /**
   * Waits for the next attempt.
   *
   * @throws CopilotError the final one, when there is to be no further attempt or the run's time is over; `aborted`
   */
  async waitOrThrow(thrown: unknown): Promise<void> {
    const { clock, deadlineMs, budget, onRetry } = this.#policy;
    const { action, signal } = this.#job;
    const object = this.#object;
    const error = from(thrown, { action, object });
    // Cut off by the end of the run's time: what was wrong until then says more.
    if (error.code === "aborted" && this.#last !== undefined && outOfTime(signal)) {
      throw this.#final(this.#last, "time");
    }
    this.#total++;
    this.#inARow++;
    const mayHelp = error.retryable || (this.#job.compares === true && error.code === "integrity");
    if (!mayHelp) throw this.#total === 1 ? error : this.#final(error);
    if (this.#inARow >= (this.#policy.attempts ?? DEFAULT_ATTEMPTS)) throw this.#final(error);
    const waitMs = this.#waitMs(error);
    if (clock.monotonicMs() + waitMs >= deadlineMs) throw this.#final(error, "time");
    if (!budget.take()) throw this.#final(error, "retries");
    onRetry?.({ object, error, attempt: this.#total, waitMs });
    this.#last = error;
    await clock.sleep(waitMs, signal).catch((thrown) => {
      throw outOfTime(signal) ? this.#final(error, "time") : thrown;
    });
  }

  #waitMs(error: CopilotError): number {
    const { baseMs = DEFAULT_BASE_MS, capMs = DEFAULT_CAP_MS, random } = this.#policy;
    const backoffMs = random() * Math.min(capMs, baseMs * 2 ** (this.#inARow - 1));
    // The jitter goes on top of what the server asked for, or all that were sent away would come back at once.
    return Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_CAP_MS) + backoffMs;
  }

  /** @param outOf why there is no further attempt: with `time` it could not begin, or was under way, when the run's was over */
  #final(error: CopilotError, outOf?: Attempted["outOf"]): CopilotError {
    const attempts = { count: this.#total, outOf };
    return error.within({ action: this.#job.action, object: this.#object, attempts });
  }
}

function outOfTime({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof CopilotError && reason.code === "deadline";
}

/**
 * A store whose calls are retried. Wrap once: two layers would multiply attempts.
 *
 * Final errors keep the code of the last one and say how often it was tried: `Cannot read "s3://b/k" after 5 attempts: …`.
 */
export function withRetry(store: ObjectStore, policy: RetryPolicy): ObjectStore {
  return new RetryStore(store, { ...policy, budget: policy.budget ?? new RetryBudget() });
}

class RetryStore implements ObjectStore {
  readonly root: string;
  readonly traits: ObjectStore["traits"];
  readonly #store: ObjectStore;
  readonly #policy: RetryPolicy & { budget: RetryBudget };

  constructor(store: ObjectStore, policy: RetryPolicy & { budget: RetryBudget }) {
    this.root = store.root;
    this.traits = store.traits;
    this.#store = store;
    this.#policy = policy;
  }

  #attempts(action: string, key: string, signal: AbortSignal): Attempts {
    return new Attempts(this.#policy, { action, uri: `${this.root}/${key}`, signal });
  }

  #sending(action: string, key: string, signal: AbortSignal): Attempts {
    return new Attempts(this.#policy, { action, uri: `${this.root}/${key}`, signal, compares: true });
  }

  #run<T>(attempts: Attempts, call: () => Promise<T>): Promise<T> {
    const { onRequest } = this.#policy;
    return onRequest === undefined ? this.#tryAll(attempts, call) : this.#tell(attempts, call, onRequest);
  }

  async #tell<T>(
    attempts: Attempts,
    call: () => Promise<T>,
    onRequest: (event: RequestEvent) => void,
  ): Promise<T> {
    const { clock } = this.#policy;
    const startMs = clock.monotonicMs();
    const tell = (error: CopilotError | null) =>
      onRequest({ ...attempts.tried, ms: clock.monotonicMs() - startMs, error });
    try {
      const result = await this.#tryAll(attempts, call);
      tell(null);
      return result;
    } catch (thrown) {
      const { action, object } = attempts.tried;
      tell(from(thrown, { action, object }));
      throw thrown;
    }
  }

  async #tryAll<T>(attempts: Attempts, call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await call();
        this.#policy.budget.refill();
        return result;
      } catch (thrown) {
        await attempts.waitOrThrow(thrown);
      }
    }
  }

  get: ObjectStore["get"] = async (key, options) => {
    const attempts = this.#attempts("read", key, options.signal);
    const first = await this.#run(attempts, () => this.#store.get(key, options));
    attempts.progressed();
    const read: ResumableRead = { first, uri: `${this.root}/${key}`, attempts };
    const body = new ResumedBody(read, (range) => this.#store.get(key, { ...range, signal: options.signal }));
    return { ...first, body };
  };

  head: ObjectStore["head"] = (key, options) =>
    this.#run(this.#attempts("stat", key, options.signal), () => this.#store.head(key, options));

  list: ObjectStore["list"] = (prefix, options) =>
    this.#run(this.#attempts("list", prefix, options.signal), () => this.#store.list(prefix, options));

  put: ObjectStore["put"] = (key, source, options) =>
    this.#run(this.#sending("store", key, options.signal), () => this.#store.put(key, source, options));

  delete: ObjectStore["delete"] = (key, options) =>
    this.#run(this.#attempts("delete", key, options.signal), () => this.#store.delete(key, options));

  beginUpload: ObjectStore["beginUpload"] = async (key, options) => {
    const attempts = this.#attempts("begin the upload of", key, options.signal);
    const upload = await this.#run(attempts, () => this.#store.beginUpload(key, options));
    const sizes = new Map<number, number>();
    return {
      part: (number, source, options) => {
        sizes.set(number, source.size);
        const attempts = this.#sending(`store part ${number} of`, key, options.signal);
        return this.#run(attempts, () => upload.part(number, source, options));
      },
      complete: (options) => {
        const size = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
        return this.#complete(key, upload, { size, signal: options.signal });
      },
      abort: (options) =>
        this.#run(this.#attempts("abort the upload of", key, options.signal), () => upload.abort(options)),
    };
  };

  #complete(
    key: string,
    upload: MultipartUpload,
    options: { size: number; signal: AbortSignal },
  ): Promise<ObjectInfo> {
    let mayBeDone = false;
    return this.#run(this.#attempts("complete the upload of", key, options.signal), async () => {
      try {
        return await upload.complete({ signal: options.signal });
      } catch (thrown) {
        if (!(thrown instanceof CopilotError)) throw thrown;
        const found = mayBeDone && thrown.code === "not-found"
          ? await this.#headOrNull(key, options.signal)
          : null;
        if (found?.size === options.size) return found;
        // A store that turned the request away for its rate has not acted on it.
        if (thrown.retryable && thrown.code !== "throttled") mayBeDone = true;
        throw thrown;
      }
    });
  }

  /** Null where no object is to be seen; passing faults are thrown, as the operation around it is retried. */
  async #headOrNull(key: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    try {
      return await this.#store.head(key, { signal });
    } catch (thrown) {
      if (thrown instanceof CopilotError && !thrown.retryable && thrown.code !== "aborted") return null;
      throw thrown;
    }
  }

  close(): void {
    this.#store.close();
  }
}
