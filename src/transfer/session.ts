/**
 * What all transfers of a run share: slots, buffers, the signal, and the counters of its summary.
 * @module
 */
import { CopilotError, type ErrorCode } from "../errors.ts";
import { BUFFER_BYTES, BUFFERS } from "../system/buffers.ts";
import { PROGRAM_BYTES } from "../system/memory_limits.ts";
import type { System } from "../system/mod.ts";
import { MAX_SECURE_TRANSFERS, MAX_TRANSFERS } from "../http/max_transfers.ts";
import type { StoreTraits } from "../storage/store.ts";
import { Pool } from "./pool.ts";

/** What the program needs besides {@linkcode PROGRAM_BYTES} once it moves objects, before any buffer. Measured. */
const MOVING_BYTES = 10 * 1024 * 1024;
/** A connection's memory besides that buffer. TLS takes more, and is what bounds the number of slots. Measured. */
const CONNECTION_BYTES = 32 * 1024;
const MIN_SLOTS = 2;
const START_SLOTS = 64;

/** Counters of a run, for progress and the closing line. */
export interface Progress {
  /** Files that are in their place, and bytes that were moved, also of files that are not whole yet. */
  files: number;
  bytes: number;
  /** Bytes of files that were read to be sent, those of files under way among them; what was sent again counts again. */
  sentBytes: number;
  retries: number;
  /** Files that an earlier run had left whole, and that were not moved again. */
  kept: number;
  /** What is known to have to be moved so far. */
  expectedFiles: number;
  expectedBytes: number;
  /** Whether nothing more will be found. */
  isAllKnown: boolean;
  /** Objects that were not compared with their store's checksum, as `--verify` has it. */
  unverified: number;
}

/** A file that has been moved. */
export interface Moved {
  /** URI of the object as it is. */
  uri: string;
  /** Absolute path of the file. */
  path: string;
  bytes: number;
  /** Milliseconds from its first request to its last. */
  ms: number;
}

/** What a session is made of. */
export interface SessionOptions {
  /** What the whole process may use. */
  memoryLimitBytes: number;
  signal: AbortSignal;
  /** Called for each file, where somebody wants to know. */
  onMoved?: ((file: Moved) => void) | undefined;
}

/**
 * How many transfers fit a memory limit.
 *
 * @param memoryLimitBytes what the whole process may use
 */
export function slotsFor(memoryLimitBytes: number): number {
  const room = memoryLimitBytes - PROGRAM_BYTES - MOVING_BYTES;
  return Math.max(MIN_SLOTS, Math.min(MAX_TRANSFERS, Math.floor(room / (BUFFER_BYTES + CONNECTION_BYTES))));
}

/** Shared by every transfer of one run. */
export class TransferSession {
  readonly system: System;
  readonly pool: Pool;
  readonly buffers = BUFFERS;
  readonly progress: Progress = {
    files: 0,
    bytes: 0,
    sentBytes: 0,
    retries: 0,
    kept: 0,
    expectedFiles: 0,
    expectedBytes: 0,
    isAllKnown: false,
    unverified: 0,
  };
  readonly #onMoved: ((file: Moved) => void) | undefined;
  readonly #controller = new AbortController();
  /** Tasks that were started and have not ended. */
  #running = 0;
  /** Resolved when the last of them has ended; null while nobody waits for that. */
  #idle: PromiseWithResolvers<void> | null = null;
  #failure: unknown;

  constructor(system: System, options: SessionOptions) {
    this.system = system;
    this.#onMoved = options.onMoved;
    const max = slotsFor(options.memoryLimitBytes);
    this.pool = new Pool(system.clock, { min: MIN_SLOTS, start: Math.min(START_SLOTS, max), max });
    const stop = () => this.fail(options.signal.reason);
    if (options.signal.aborted) stop();
    else options.signal.addEventListener("abort", stop, { once: true });
  }

  /** Fires when the run is cancelled or a part of it has failed: all other parts end too. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What the run has failed with; undefined as long as it has not. */
  get failure(): unknown {
    return this.#failure;
  }

  /** A store is going to be used. */
  opened({ encrypted }: StoreTraits): void {
    if (encrypted) this.pool.atMost(MAX_SECURE_TRANSFERS);
  }

  /** Tells of files and bytes that are still to be moved. */
  expect(files: number, bytes: number): void {
    this.progress.expectedFiles += files;
    this.progress.expectedBytes += bytes;
  }

  /** Counts a file that is in its place. @param startedMs on the monotonic clock */
  moved(file: Omit<Moved, "ms">, startedMs: number): void {
    this.progress.files++;
    if (this.#onMoved === undefined) return;
    this.#onMoved({ ...file, ms: this.system.clock.monotonicMs() - startedMs });
  }

  /** Ends the run with an error. The first one counts, but what was wrong when time was over says more than that it was over. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) {
      if (codeOf(this.#failure) === "deadline" && codeOf(error) !== "aborted") this.#failure = error;
      return;
    }
    this.#failure = error ?? new CopilotError("aborted", "Transfer cancelled");
    this.pool.fail(this.#failure);
    this.#controller.abort(this.#failure);
  }

  /**
   * Waits for a slot and starts a task in it; resolves as soon as it has started. Whoever makes tasks therefore waits
   * when the pool is full, and nothing queues up. A task that throws fails the run.
   */
  async start(task: () => Promise<void>): Promise<void> {
    await this.pool.acquire();
    this.#carryOut(task);
  }

  /** Never rejects: what a task throws is the run's failure. */
  async #carryOut(task: () => Promise<void>): Promise<void> {
    this.#running++;
    try {
      await task();
    } catch (error) {
      this.fail(error);
    }
    this.pool.release();
    if (--this.#running > 0) return;
    this.#idle?.resolve();
    this.#idle = null;
  }

  /** Starts a task only when a slot is free that nobody waits for. */
  startSpare(task: () => Promise<void>): Promise<void> | null {
    if (!this.pool.tryAcquire()) return null;
    return task().finally(() => this.pool.release());
  }

  /** Waits for every task that was started, then throws the run's first error if there is one. */
  async settle(): Promise<void> {
    while (this.#running > 0) await (this.#idle ??= Promise.withResolvers()).promise;
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof CopilotError ? error.code : undefined;
}
