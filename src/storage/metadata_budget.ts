/**
 * What documents may cost: one that does not fit would have the process killed, and a killed process tells nobody why.
 * @module
 */
import { cannot } from "../errors.ts";
import { PROGRAM_BYTES } from "../system/memory_limits.ts";

const MIB = 1024 * 1024;
/** What a byte of metadata takes when most of them are text. Measured. */
const BYTES_PER_BYTE = 6;
/** What a number in a list takes, with its part in the plan and in the documents, and so each unit of cost. Measured. */
const BYTES_PER_COST = 250;
/** Bytes of a document that a unit of decoded cost accounts for. */
const BYTES_IN_COST = 20;
/** What the few values of a document cost that is nearly all text. */
const FEW_VALUES_BYTES = MIB;
/** What the original takes by default; less would be no use. */
const MIN_METADATA_BYTES = 2 * MIB;
const MIN_COST = 20_000;

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

/** The highest cost (idl.ts), of all documents of a run together, that a process can hold. As {@linkcode metadataBytesFor}. */
export function decodedCostFor(memoryLimitBytes: number | undefined): number {
  return Math.max(MIN_COST, Math.floor(roomFor(memoryLimitBytes) / BYTES_PER_COST));
}

/** The room for the documents of one run, which are all in memory at the same time. */
export class MetadataBudget {
  readonly #max: number;
  #cost = 0;
  #bytes = 0;

  /** @param memoryLimitBytes of the whole process; absent for no bound */
  constructor(memoryLimitBytes: number | undefined) {
    this.#max = Math.max(
      decodedCostFor(memoryLimitBytes) * BYTES_PER_COST,
      metadataBytesFor(memoryLimitBytes) * BYTES_PER_BYTE + FEW_VALUES_BYTES,
    );
  }

  /**
   * Takes room for a document that is about to be read.
   *
   * @param what the document, for the message: `the inputs "s3://b/k"`
   * @throws CopilotError `input` where it does not fit beside those before it
   */
  takeBytes(bytes: number, what: string): void {
    this.#bytes += bytes;
    this.#assertFits(what);
  }

  /**
   * Takes room for the values of a document that is about to be decoded. As {@linkcode takeBytes}.
   *
   * @param cost what `decodedCost` of idl.ts gives
   */
  take(cost: number, what: string): void {
    this.#cost += cost;
    this.#assertFits(what);
  }

  #assertFits(what: string): void {
    const textBytes = Math.max(0, this.#bytes - this.#cost * BYTES_IN_COST);
    const wantedBytes = this.#cost * BYTES_PER_COST + textBytes * BYTES_PER_BYTE;
    if (wantedBytes <= this.#max) return;
    const [wanted, room] = [Math.ceil(wantedBytes / MIB), Math.round(this.#max / MIB)];
    throw cannot(`read ${what}`, {
      input:
        `once it is decoded, ${wanted} MiB are taken by values, and the memory limit leaves room for ${room} MiB; ${MORE_MEMORY}`,
    });
  }
}
