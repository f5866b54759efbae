/**
 * What documents may cost: one that does not fit would have the process killed, and a killed process tells nobody why.
 * @module
 */
import { CopilotError } from "../errors.ts";

/** Memory of the program before it holds any metadata. Measured. */
const PROGRAM_BYTES = 70 * 1024 * 1024;
/** What a byte of metadata takes when most of them are text. Measured. */
const BYTES_PER_BYTE = 6;
/** What a message takes when most are tiny, with its part in the plan and in the documents. Measured. */
const BYTES_PER_MESSAGE = 600;
/** What the original takes by default; less would be no use. */
const MIN_METADATA_BYTES = 2 * 1024 * 1024;
const MIN_MESSAGES = 20_000;

/** The setting that gives more room, for messages. */
export const MORE_MEMORY = "--memory-limit or the container's limit raise that";

function roomFor(memoryLimitBytes: number | undefined): number {
  return memoryLimitBytes === undefined ? Infinity : Math.max(0, memoryLimitBytes - PROGRAM_BYTES);
}

/**
 * The largest metadata object that a process can hold.
 *
 * @param memoryLimitBytes of the whole process; absent for no bound
 */
export function metadataBytesFor(memoryLimitBytes: number | undefined): number {
  return Math.max(MIN_METADATA_BYTES, Math.floor(roomFor(memoryLimitBytes) / BYTES_PER_BYTE));
}

/** The most messages, in all documents of a run together, that a process can hold. As {@linkcode metadataBytesFor}. */
export function metadataMessagesFor(memoryLimitBytes: number | undefined): number {
  return Math.max(MIN_MESSAGES, Math.floor(roomFor(memoryLimitBytes) / BYTES_PER_MESSAGE));
}

/** The room for the documents of one run. */
export class MetadataRoom {
  readonly #max: number;
  #taken = 0;

  /** @param memoryLimitBytes of the whole process; absent for no bound */
  constructor(memoryLimitBytes: number | undefined) {
    this.#max = metadataMessagesFor(memoryLimitBytes);
  }

  /**
   * Takes room for a document that is about to be decoded.
   *
   * @param what the document, for the message: `the inputs "s3://b/k"`
   * @throws CopilotError `input` where it does not fit beside those before it
   */
  take(messages: number, what: string): void {
    this.#taken += messages;
    if (this.#taken <= this.#max) return;
    throw new CopilotError(
      "input",
      `Cannot read ${what}: with it there are ${this.#taken} messages to hold (a literal is three or more), and the memory limit leaves room for ${this.#max}; ${MORE_MEMORY}`,
    );
  }
}
