/**
 * The process's one pool of buffers for the bytes of objects: transfers read and write through it, requests are put together in it, local
 * files are copied through it. So the garbage collector never sees those bytes, and what one kind of work has done with is the
 * next one's.
 * @module
 */

/** Bytes of a buffer: a system call costs little for so many, and pages that a small object does not touch cost nothing. */
export const BUFFER_BYTES = 256 * 1024;

/** Buffers of one size that are used again and again. */
export class Buffers {
  readonly bytes: number;
  readonly #free: Uint8Array[] = [];

  /** @param bytes the size of each buffer */
  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** A buffer of {@linkcode bytes} bytes with whatever it held before. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(this.bytes);
  }

  give(buffer: Uint8Array): void {
    this.#free.push(buffer);
  }
}

/** Each slot of a run holds one (`slotsFor`), and a second one while it sends what it holds in memory. */
export const BUFFERS = new Buffers(BUFFER_BYTES);
