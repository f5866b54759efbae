/**
 * Watches for the files with which a task tells its life: `_START`, then `_SUCCESS` or `_ERROR`, in the directory to be uploaded.
 *
 * It looks now and then rather than asking the kernel to tell, which would tell every write of a main that writes much. A look is a
 * glance at the directory's time of change; only when that is new are the names looked for.
 * @module
 */
import { cannot } from "../../errors.ts";
import { throwIfAborted } from "../abort.ts";
import type { WatcherContext } from "../context.ts";
import type { Exit, Watcher } from "../watcher.ts";

const NAME = "file";
const POLL_MS = 200;
/** Waking up is what costs: once main has run for a while it is looked at half as often. */
const LONG_POLL_MS = 400;
const LONG_MS = 10_000;

/** A time of change is not fine enough to tell two changes that follow each other, so the names are looked for this long after one. */
const FRESH_MS = 2000;
/** And this often whatever the time of change says, for file systems that keep none. */
const FULL_LOOK_MS = 5000;

type Marker = "_START" | "_SUCCESS" | "_ERROR";

class MarkerWatcher implements Watcher {
  readonly name = NAME;
  readonly #context: WatcherContext;
  readonly #closed = new AbortController();
  readonly #seen = new Set<Marker>();
  #changedMs: number | null = null;
  #freshUntilMs = 0;
  #fullLookMs = -Infinity;

  constructor(context: WatcherContext) {
    this.#context = context;
  }

  async waitForStart(signal: AbortSignal): Promise<void> {
    if (await this.#first(["_ERROR", "_SUCCESS", "_START"], signal) !== null) return;
    throw cannot("tell whether the main container has started", {
      task: `the pod is being stopped, and ${this.describe()}`,
    });
  }

  async waitForExit(signal: AbortSignal): Promise<Exit> {
    switch (await this.#first(["_ERROR", "_SUCCESS"], signal)) {
      case "_ERROR":
        return {
          outcome: "failed",
          by: NAME,
          reason: "Error",
          message: `The task left "${this.#path("_ERROR")}"`,
        };
      case "_SUCCESS":
        return {
          outcome: "ended",
          by: NAME,
          reason: "Completed",
          message: `The task left "${this.#path("_SUCCESS")}"`,
        };
      default:
        return {
          outcome: "interrupted",
          by: NAME,
          reason: "Terminated",
          message:
            `The pod is being stopped, and the task has left neither "_SUCCESS" nor "_ERROR" in "${this.#context.command.localDir}"`,
        };
    }
  }

  describe(): string {
    const seen = this.#seen.size === 0 ? "no marker file" : [...this.#seen].join(", ");
    return `"${this.#context.command.localDir}" holds ${seen}, expected "_START", then "_SUCCESS" or "_ERROR"`;
  }

  mayHaveMissedMain(): boolean {
    return false;
  }

  lingerMs(): number {
    return 0;
  }

  close(): void {
    this.#closed.abort();
  }

  /** The first of these that is there; null when the pod is being stopped without one. */
  async #first(markers: readonly Marker[], signal: AbortSignal): Promise<Marker | null> {
    const cancelOrClosed = AbortSignal.any([signal, this.#closed.signal]);
    const { system: { clock }, terminations } = this.#context;
    const startMs = clock.monotonicMs();
    for (let isFirst = true;; isFirst = false) {
      throwIfAborted(cancelOrClosed);
      const isFinal = terminations.count > 0;
      const nowMs = clock.monotonicMs();
      if (this.#mayHold(nowMs) || isFirst || isFinal) {
        const found = markers.find((marker) => this.#exists(marker));
        if (found !== undefined) return found;
      }
      if (isFinal) return null;
      await clock.sleep(nowMs - startMs < LONG_MS ? POLL_MS : LONG_POLL_MS, cancelOrClosed);
    }
  }

  /** Whether a name may have come since the last look. */
  #mayHold(nowMs: number): boolean {
    const info = this.#context.system.files.stat(this.#context.command.localDir);
    if (info === null) return false;
    if (info.mtimeMs !== this.#changedMs) {
      this.#changedMs = info.mtimeMs;
      this.#freshUntilMs = nowMs + FRESH_MS;
    }
    const isDue = nowMs < this.#freshUntilMs || nowMs - this.#fullLookMs >= FULL_LOOK_MS;
    if (isDue) this.#fullLookMs = nowMs;
    return isDue;
  }

  #exists(marker: Marker): boolean {
    // A symlink is no marker: it may point at anything, at any time.
    const isThere = this.#context.system.files.lstat(this.#path(marker))?.kind === "file";
    if (isThere) this.#seen.add(marker);
    return isThere;
  }

  #path(marker: Marker): string {
    return `${this.#context.command.localDir}/${marker}`;
  }
}

/** Opens the watcher; the directory need not be there yet. */
export function open(context: WatcherContext): Watcher {
  return new MarkerWatcher(context);
}
