/**
 * Uploads of a key that were begun before: by a run that was killed, or by a request whose reply was lost. Their parts cost
 * money until somebody removes them, and nobody else knows of them.
 *
 * A key belongs to one run at a time, so whatever is open when an upload begins is a remnant.
 * @module
 */
import { from } from "../../../errors.ts";
import type { Control } from "./control.ts";
import type { Transport } from "./transport.ts";

/**
 * Passing faults in a row after which a store is taken for one that cannot list uploads: housekeeping must not fail a run. Where
 * three of ten requests fail, fewer would leave an upload behind in one of 400 runs.
 */
const MAX_FAILURES = 10;
const NOT_IMPLEMENTED = 501;

/** Removes them, where the store lets it. */
export class EarlierUploads {
  readonly #transport: Transport;
  readonly #control: Control;
  #failures = 0;

  constructor(transport: Transport, control: Control) {
    this.#transport = transport;
    this.#control = control;
  }

  /**
   * Removes the open uploads of a key.
   *
   * @throws CopilotError for passing faults, which the caller tries again, and `aborted`; other refusals end it for good, in
   * silence: many roles may write objects and not list uploads (s3:ListBucketMultipartUploads)
   */
  async remove(key: string, signal: AbortSignal): Promise<void> {
    if (this.#failures >= MAX_FAILURES) return;
    const about = { key, signal };
    try {
      for (const id of await this.#control.openUploads(about)) await this.#control.abort(about, id);
      this.#failures = 0;
    } catch (thrown) {
      const verb = "look for earlier uploads of";
      const error = from(this.#transport.error(thrown, verb, key), { action: verb, object: key });
      if (error.code === "aborted") throw error;
      const passing = error.retryable && error.status !== NOT_IMPLEMENTED;
      this.#failures += passing ? 1 : MAX_FAILURES;
      if (this.#failures < MAX_FAILURES) throw error;
    }
  }
}
