/**
 * The end-of-stream markers of DOWNLOAD_STREAM: `.copilot-stream/<variable>` appears when all of a variable's files are in
 * place, `.copilot-stream/.failed` when the download has failed and nothing more will come. See docs/documents.md.
 * @module
 */
import type { Action } from "../flyte/plan/plan_download.ts";
import type { Staging } from "../transfer/staging.ts";
import type { Files } from "../system/mod.ts";

/** Directory of the markers. No variable may have its name. */
export const STREAM_DIRECTORY = ".copilot-stream";
/** The marker of a failed download. No variable of a stream may have its name. */
export const FAILED_MARKER = ".failed";

/** The markers of one download. */
export class StreamMarkers {
  readonly #files: Files;
  readonly #directory: string;
  readonly #staging: Staging;
  readonly #open = new Map<string, number>();

  constructor(files: Files, localDir: string, staging: Staging) {
    this.#files = files;
    this.#directory = `${localDir}/${STREAM_DIRECTORY}`;
    this.#staging = staging;
  }

  /** Removes the markers of an earlier run, whose files are about to be replaced. */
  clear(): void {
    this.#files.removeTree(this.#directory);
  }

  /** Tells what has to be finished before a variable is complete. */
  expect(actions: Iterable<Action>): void {
    for (const action of actions) this.#open.set(action.input, (this.#open.get(action.input) ?? 0) + 1);
  }

  /** One of the expected actions is done; the last one of a variable makes its marker. */
  finished(action: Action): void {
    const left = this.#open.get(action.input)! - 1;
    this.#open.set(action.input, left);
    if (left === 0) this.#mark(action.input);
  }

  /** Nothing more will come. */
  failed(): void {
    this.#mark(FAILED_MARKER);
  }

  #mark(name: string): void {
    this.#staging.ensureDirectory(this.#directory);
    this.#staging.write(`${this.#directory}/${name}`, () => {}, 0o666);
  }
}
