/**
 * The parts of an upload in one temporary file, each written where the file ends when the part begins.
 *
 * Parts that begin in the order of their numbers, as transfers begin them, lie in order however they end, and the file is
 * the object: one pass over the bytes. Parts that begin out of order, have gaps from failed tries, or were replaced by ones
 * of another length are copied into order when the upload is completed.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { BUFFERS } from "../../../system/buffers.ts";
import type { OpenFile } from "../../../system/mod.ts";

interface Region {
  offset: number;
  size: number;
}

/** The bytes of an upload under way. Does not own the file. */
export class PartFile {
  readonly #file: OpenFile;
  /** Places of parts that are whole. */
  readonly #whole = new Map<number, Region>();
  /** Places of parts that were begun and are not whole; a further try takes the place of the last. */
  readonly #begun = new Map<number, Region>();
  #length = 0;

  constructor(file: OpenFile) {
    this.#file = file;
  }

  /**
   * Makes room for a part. What came whole under its number before counts until the new one is whole.
   *
   * @returns what writes the part's bytes one after the other, and `finish` for when all have come
   */
  begin(number: number, size: number): { write(bytes: Uint8Array): void; finish(): void } {
    const region = this.#place(number, size);
    let at = region.offset;
    return {
      write: (bytes) => {
        this.#file.seek(at);
        this.#file.write(bytes);
        at += bytes.length;
      },
      finish: () => {
        this.#begun.delete(number);
        this.#whole.set(number, region);
      },
    };
  }

  #place(number: number, size: number): Region {
    const begun = this.#begun.get(number);
    if (begun?.size === size) return begun;
    const region = { offset: this.#length, size };
    this.#length += size;
    this.#begun.set(number, region);
    return region;
  }

  #ordered(): Region[] {
    return [...this.#whole].sort(([a], [b]) => a - b).map(([, region]) => region);
  }

  /** Whether the file is the object as it stands. */
  isInOrder(): boolean {
    let at = 0;
    for (const region of this.#ordered()) {
      if (region.offset !== at && region.size > 0) return false;
      at += region.size;
    }
    return at === this.#length;
  }

  /** Writes the parts to another file in their order. @param step waited for after each piece */
  async copyTo(target: OpenFile, step: () => Promise<void>): Promise<void> {
    const buffer = BUFFERS.take();
    try {
      for (const { offset, size } of this.#ordered()) {
        this.#file.seek(offset);
        for (let left = size; left > 0;) {
          const count = this.#file.read(buffer.subarray(0, Math.min(left, buffer.length))) ?? 0;
          if (count === 0) {
            throw cannot("join the parts", { io: "the temporary file was cut short" });
          }
          target.write(buffer.subarray(0, count));
          left -= count;
          await step();
        }
      }
    } finally {
      BUFFERS.give(buffer);
    }
  }
}
