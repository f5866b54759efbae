/**
 * Small stand-ins for the world: a clock that is moved by hand, and a store that fails as told.
 * @module
 */
import { CopilotError, type ErrorCode } from "../../src/errors.ts";
import type { Clock } from "../../src/system/mod.ts";
import type {
  ByteReader,
  ByteSource,
  CallOptions,
  GetOptions,
  GetResult,
  ListOptions,
  ListPage,
  MultipartUpload,
  ObjectInfo,
  ObjectStore,
  PutOptions,
} from "../../src/storage/store.ts";

interface Timer {
  atMs: number;
  fire(): void;
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** A clock that stands still until {@linkcode advance} moves it; sleepers wake in the order of their times. */
export class FakeClock implements Clock {
  #ms = 0;
  readonly #timers = new Set<Timer>();
  /** What every call of `sleep` asked for, in milliseconds. */
  readonly slept: number[] = [];

  nowMs(): number {
    return 1_700_000_000_000 + this.#ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  /** Sleepers and tickers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms);
    return new Promise((resolve, reject) => {
      const timer: Timer = {
        atMs: this.#ms + ms,
        fire: () => {
          this.#timers.delete(timer);
          signal?.removeEventListener("abort", stop);
          resolve();
        },
      };
      const stop = () => {
        this.#timers.delete(timer);
        reject(new CopilotError("aborted", "Wait cancelled"));
      };
      if (signal?.aborted) return stop();
      signal?.addEventListener("abort", stop, { once: true });
      this.#timers.add(timer);
    });
  }

  every(ms: number, tick: () => void): () => void {
    const timer: Timer = {
      atMs: this.#ms + ms,
      fire: () => {
        timer.atMs += ms;
        tick();
      },
    };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves the time on, stopping at every timer on the way so that what it wakes can set new ones. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#ms + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#ms = Math.max(this.#ms, next.atMs);
      next.fire();
      await settle();
    }
    this.#ms = untilMs;
  }
}

/** A clock on which every sleep passes at once. */
export class HastyClock extends FakeClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const over = super.sleep(ms, signal);
    await this.advance(ms);
    await over;
  }
}

/** Calls of a store that can be made to fail. */
export type Method =
  | "get"
  | "head"
  | "list"
  | "put"
  | "beginUpload"
  | "part"
  | "complete"
  | "abort"
  | "delete";

/** How a call goes wrong. */
export type Fault =
  /** It fails before anything happens. */
  | { error: CopilotError }
  /** It happens, but the reply is lost. */
  | { lost: CopilotError }
  /** Its body gives so many bytes, then fails, or ends in silence. */
  | { bodyBytes: number; then: CopilotError | "end" }
  /** Its reply is another one. */
  | { reply: (got: GetResult) => GetResult };

/** One call as a {@linkcode FlakyStore} saw it. */
export interface Call {
  method: Method;
  key: string;
  /** Options of a `get`. */
  get?: GetOptions;
}

/** A store error of a code. */
export function storeError(
  code: ErrorCode,
  options: { retryAfterMs?: number; message?: string } = {},
): CopilotError {
  const { retryAfterMs, message = `Cannot reach the store: ${code}` } = options;
  return new CopilotError(code, { detail: message, retryAfterMs });
}

/** Faults in the order of the calls of each method; then none. */
export function script(faults: Partial<Record<Method, (Fault | null)[]>>): (call: Call) => Fault | null {
  return ({ method }) => faults[method]?.shift() ?? null;
}

/** A store around another one that fails as told. */
export class FlakyStore implements ObjectStore {
  readonly root: string;
  readonly traits: ObjectStore["traits"];
  readonly calls: Call[] = [];
  /** Bodies that were given out and not closed yet. */
  openBodies = 0;
  readonly #inner: ObjectStore;
  readonly #faultOf: (call: Call) => Fault | null;

  constructor(inner: ObjectStore, faultOf: (call: Call) => Fault | null) {
    this.root = inner.root;
    this.traits = inner.traits;
    this.#inner = inner;
    this.#faultOf = faultOf;
  }

  /** How often a method was called. */
  count(method: Method): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async #do<T>(call: Call, act: () => Promise<T>): Promise<{ result: T; fault: Fault | null }> {
    this.calls.push(call);
    const fault = this.#faultOf(call);
    if (fault !== null && "error" in fault) throw fault.error;
    const result = await act();
    if (fault !== null && "lost" in fault) throw fault.lost;
    return { result, fault };
  }

  async #plain<T>(method: Method, key: string, act: () => Promise<T>): Promise<T> {
    return (await this.#do({ method, key }, act)).result;
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { result, fault } = await this.#do(
      { method: "get", key, get: options },
      () => this.#inner.get(key, options),
    );
    const got = fault !== null && "reply" in fault ? fault.reply(result) : result;
    this.openBodies++;
    let open = true;
    const closing: ByteReader = {
      read: (into) => got.body.read(into),
      close: () => {
        if (open) this.openBodies--;
        open = false;
        got.body.close();
      },
    };
    return { ...got, body: fault !== null && "bodyBytes" in fault ? breaking(closing, fault) : closing };
  }

  head(key: string, options: CallOptions): Promise<ObjectInfo> {
    return this.#plain("head", key, () => this.#inner.head(key, options));
  }

  list(prefix: string, options: ListOptions): Promise<ListPage> {
    return this.#plain("list", prefix, () => this.#inner.list(prefix, options));
  }

  put(key: string, source: ByteSource, options: PutOptions): Promise<ObjectInfo> {
    return this.#plain("put", key, () => this.#inner.put(key, source, options));
  }

  async beginUpload(key: string, options: CallOptions): Promise<MultipartUpload> {
    const upload = await this.#plain("beginUpload", key, () => this.#inner.beginUpload(key, options));
    return {
      part: (number, source, options) => this.#plain("part", key, () => upload.part(number, source, options)),
      complete: (options) => this.#plain("complete", key, () => upload.complete(options)),
      abort: (options) => this.#plain("abort", key, () => upload.abort(options)),
    };
  }

  delete(key: string, options: CallOptions): Promise<void> {
    return this.#plain("delete", key, () => this.#inner.delete(key, options));
  }

  close(): void {
    this.#inner.close();
  }
}

function breaking(body: ByteReader, fault: { bodyBytes: number; then: CopilotError | "end" }): ByteReader {
  let left = fault.bodyBytes;
  return {
    async read(into) {
      if (left === 0) {
        if (fault.then === "end") return null;
        throw fault.then;
      }
      const count = await body.read(into.subarray(0, Math.min(into.length, left)));
      left -= count ?? left;
      return count;
    },
    close: () => body.close(),
  };
}
