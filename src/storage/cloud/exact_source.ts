/**
 * Sources that give exactly as many bytes as they announced: fewer would leave a request unfinished, more would be lost in silence.
 * @module
 */
import { cannot, type CopilotError } from "../../errors.ts";
import type { ByteReader, ByteSource } from "../store.ts";

/** The error for a source of another length. @param object URI of what is written */
export function wrongLength(object: string, size: number, found: "fewer" | "more"): CopilotError {
  return cannot("write", object, {
    changed: `its source has ${found} bytes than the ${size} that were announced`,
  });
}

/** Reads a source and fails with `changed` at its end, before that is told, where it is not as long as it said. */
export class ExactReader implements ByteReader {
  readonly #reader: ByteReader;
  readonly #size: number;
  readonly #object: string;
  #left: number;

  /** @param object URI of what is written */
  constructor(source: ByteSource, object: string) {
    this.#reader = source.open();
    this.#size = source.size;
    this.#left = source.size;
    this.#object = object;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#left === 0) {
      if (await this.#reader.read(new Uint8Array(1)) !== null) {
        throw wrongLength(this.#object, this.#size, "more");
      }
      return null;
    }
    const count = await this.#reader.read(into.length > this.#left ? into.subarray(0, this.#left) : into);
    if (count === null) throw wrongLength(this.#object, this.#size, "fewer");
    this.#left -= count;
    return count;
  }

  close(): void {
    this.#reader.close();
  }
}

/**
 * Passes all bytes of a source by, through one buffer.
 *
 * @throws CopilotError `changed` for a source that is not as long as it said
 */
export async function readThrough(
  source: ByteSource,
  { buffer, object, take }: { buffer: Uint8Array; object: string; take(bytes: Uint8Array): void },
): Promise<void> {
  const reader = new ExactReader(source, object);
  try {
    for (let count; (count = await reader.read(buffer)) !== null;) take(buffer.subarray(0, count));
  } finally {
    reader.close();
  }
}
