/**
 * How far a run is: a line that a terminal shows in place, a line of the log each minute in a pod, nothing anywhere else.
 * @module
 */
import type { ConsoleLog, Fields } from "../system/log.ts";
import type { Clock } from "../system/mod.ts";
import type { Progress } from "../transfer/session.ts";
import { countText, rateText, sizeText, timeText } from "./figures.ts";

/** Milliseconds between two lines of a terminal, and of a log. */
const TERMINAL_MS = 200;
const LOG_MS = 60_000;
/** The rate is that of so many milliseconds past: what a person would call now. */
const WINDOW_MS = 5000;
/** Before this much time has passed nobody can tell how long the rest will take. */
const ETA_AFTER_MS = 1000;

/** Who looks at a run. */
export interface ProgressView {
  /** Columns of the terminal that standard error is; null where it is none. */
  columns(): number | null;
  /** Whether the log is what a pod leaves behind. */
  isPod: boolean;
}

/** What is shown of a run at one moment. */
export interface Moment {
  /** `Download`. */
  what: string;
  progress: Readonly<Progress>;
  /** Bytes in a second. */
  rate: number;
  /** Milliseconds since the run began. */
  elapsedMs: number;
}

/**
 * The line, cut to the terminal's width: what says most comes first.
 *
 * @param columns the terminal's
 */
export function progressLine({ what, progress, rate, elapsedMs }: Moment, columns: number): string {
  const { bytes, expectedBytes, files, expectedFiles, isAllKnown } = progress;
  const isKnown = isAllKnown && expectedBytes > 0;
  const share = Math.min(1, bytes / expectedBytes);
  const parts = [
    what,
    isKnown ? `${Math.floor(share * 100)}%` : "",
    isKnown ? `${sizeText(bytes)} of ${sizeText(expectedBytes)}` : sizeText(bytes),
    rateText(rate, 1000),
    isKnown && rate > 0 && elapsedMs >= ETA_AFTER_MS && share < 1
      ? `${timeText((expectedBytes - bytes) * 1000 / rate)} left`
      : "",
    isAllKnown && expectedFiles >= files
      ? `${files} of ${countText(expectedFiles, "file")}`
      : countText(files, "file"),
  ].filter((part) => part !== "");
  let line = parts[0]!;
  for (const part of parts.slice(1)) {
    // The last column stays free: a full line would be wrapped by some terminals.
    if (line.length + 2 + part.length >= columns) break;
    line += `  ${part}`;
  }
  return line.slice(0, Math.max(0, columns - 1));
}

/** The same for a log. */
export function progressFields({ progress, rate, elapsedMs }: Moment): Fields {
  const { bytes, expectedBytes, files, expectedFiles, isAllKnown, retries } = progress;
  return {
    files,
    bytes,
    ...(isAllKnown ? { ofFiles: expectedFiles, ofBytes: expectedBytes } : {}),
    rate: rateText(rate, 1000),
    seconds: Math.round(elapsedMs / 1000),
    retries,
  };
}

/** Bytes in a second over the last few. */
export class Rate {
  readonly #samples: { atMs: number; bytes: number }[] = [];

  /** Takes note of what has been moved so far; gives the rate. */
  sample(atMs: number, bytes: number): number {
    this.#samples.push({ atMs, bytes });
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= atMs - WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    return atMs <= first.atMs ? 0 : Math.max(0, (bytes - first.bytes) * 1000 / (atMs - first.atMs));
  }
}

/** What {@linkcode showProgress} shows. */
export interface Shown {
  what: string;
  progress: Readonly<Progress>;
  startMs: number;
}

/** Shows a run to whoever looks at it, until the returned function is called. */
export function showProgress(
  { what, progress, startMs }: Shown,
  view: ProgressView,
  { clock, log }: { clock: Clock; log: ConsoleLog },
): () => void {
  const isTerminal = view.columns() !== null;
  if (!isTerminal && !view.isPod) return () => {};
  const rate = new Rate();
  const moment = (): Moment => {
    const nowMs = clock.monotonicMs();
    return { what, progress, rate: rate.sample(nowMs, progress.bytes), elapsedMs: nowMs - startMs };
  };
  moment();
  const stop = clock.every(isTerminal ? TERMINAL_MS : LOG_MS, () => {
    if (isTerminal) log.progress(progressLine(moment(), view.columns() ?? Infinity));
    else log.summary(`${what.toLowerCase()} under way`, progressFields(moment()));
  });
  return () => {
    stop();
    log.progress("");
  };
}
