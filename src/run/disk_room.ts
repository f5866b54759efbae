/**
 * The space that a download has on its disk, looked at before each transfer: a disk that is full ends the run at its last byte, and
 * says neither how much was needed nor how much there was.
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";
import { shownUri } from "../text/shown_uri.ts";
import { sizeText } from "./figures.ts";

/** One directory's file system, as one run uses it. */
export class DiskRoom {
  readonly #directory: string;
  readonly #freeBytes: number;
  #leftBytes: number;
  /** Its own errors, which say it all. */
  readonly #refusals = new WeakSet<Error>();

  /** @param freeBytes when the run began; 0 and Infinity where that is not known, as file systems in user space have it */
  constructor(directory: string, freeBytes: number) {
    this.#directory = directory;
    this.#freeBytes = freeBytes === 0 ? Infinity : freeBytes;
    this.#leftBytes = this.#freeBytes;
  }

  /**
   * Takes the space of a file that is about to be written.
   *
   * @param replaces bytes of the file that has its name, which gives way to it
   * @param uri what the bytes are from
   * @returns the bytes taken, for {@linkcode giveBack}
   * @throws CopilotError `disk-full` that says how much is needed and how much is free
   */
  take(bytes: number, replaces: number, uri: string): number {
    const needed = Math.max(0, bytes - replaces);
    if (needed > this.#leftBytes) {
      const refusal = cannot("download", shownUri(uri), { "disk-full": this.#figures(bytes) });
      this.#refusals.add(refusal);
      throw refusal;
    }
    this.#leftBytes -= needed;
    return needed;
  }

  /** Gives back what was taken for a file that is not written after all. */
  giveBack(taken: number): void {
    this.#leftBytes += taken;
  }

  /** An error of the file system with the figures, where it is that the disk is full all the same: others write there too. */
  explain(thrown: unknown, bytes: number): unknown {
    if (!(thrown instanceof CopilotError) || thrown.code !== "disk-full" || this.#refusals.has(thrown)) {
      return thrown;
    }
    // With a status it is a server that is full.
    if (thrown.fault.status !== undefined) return thrown;
    return new CopilotError(thrown.code, {
      ...thrown.fault,
      detail: `${thrown.fault.detail}; ${this.#figures(bytes)}`,
    });
  }

  #figures(bytes: number): string {
    const needed = `it needs ${bytes} bytes (${sizeText(bytes)})`;
    if (this.#freeBytes === Infinity) return needed;
    const [left, free] = [this.#leftBytes, this.#freeBytes].map((some) => sizeText(Math.max(0, some)));
    return `${needed}, and of the ${free} that were free in "${this.#directory}" when the run began the other inputs leave ${left}`;
  }
}
