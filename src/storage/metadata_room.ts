/**
 * What documents may cost: one that does not fit would have the process killed, and a killed process tells nobody why.
 * @module
 */
import { cannot } from "../errors.ts";

const MIB = 1024 * 1024;
/** Memory of the program before it holds any metadata. Measured. */
const PROGRAM_BYTES = 80 * MIB;
/** What a byte of metadata takes when most of them are text. Measured. */
const BYTES_PER_BYTE = 6;
/** What a number in a list takes, with its part in the plan and in the documents, and so each unit of weight. Measured. */
const BYTES_PER_WEIGHT = 250;
/** What the original takes by default; less would be no use. */
const MIN_METADATA_BYTES = 2 * MIB;
const MIN_WEIGHT = 20_000;

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

/** The most weight (idl.ts), of all documents of a run together, that a process can hold. As {@linkcode metadataBytesFor}. */
export function metadataWeightFor(memoryLimitBytes: number | undefined): number {
  return Math.max(MIN_WEIGHT, Math.floor(roomFor(memoryLimitBytes) / BYTES_PER_WEIGHT));
}

/** The room for the documents of one run. */
export class MetadataRoom {
  readonly #max: number;
  #taken = 0;

  /** @param memoryLimitBytes of the whole process; absent for no bound */
  constructor(memoryLimitBytes: number | undefined) {
    this.#max = metadataWeightFor(memoryLimitBytes);
  }

  /**
   * Takes room for a document that is about to be decoded.
   *
   * @param weight what `weigh` of idl.ts gives
   * @param what the document, for the message: `the inputs "s3://b/k"`
   * @throws CopilotError `input` where it does not fit beside those before it
   */
  take(weight: number, what: string): void {
    this.#taken += weight;
    if (this.#taken <= this.#max) return;
    const wanted = Math.ceil(this.#taken * BYTES_PER_WEIGHT / MIB);
    const room = Math.round(this.#max * BYTES_PER_WEIGHT / MIB);
    throw cannot(`read ${what}`, {
      input:
        `once it is decoded, ${wanted} MiB are taken by values, and the memory limit leaves room for ${room} MiB; ${MORE_MEMORY}`,
    });
  }
}
