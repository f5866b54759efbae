/**
 * Finds out the length of a body that comes without one.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { type ByteReader, bytesSource } from "../../store.ts";

/** Bodies up to this size are kept while they are measured; larger ones are asked for twice. */
const KEPT_BYTES = 256 * 1024;

/**
 * Reads a body to its end to learn its length, and gives one with the same bytes.
 *
 * @param again asks for the body once more
 * @param object URL, for messages
 */
export async function measured(
  body: ByteReader,
  again: () => Promise<ByteReader>,
  object: string,
): Promise<{ length: number; body: ByteReader }> {
  const kept = new Uint8Array(KEPT_BYTES);
  let length = 0;
  try {
    for (const spare = new Uint8Array(64 * 1024);;) {
      const count = await body.read(length < kept.length ? kept.subarray(length) : spare);
      if (count === null) break;
      length += count;
    }
  } finally {
    body.close();
  }
  if (length <= kept.length) return { length, body: bytesSource(kept.subarray(0, length)).open() };
  return { length, body: new ExpectedBody(await again(), length, object) };
}

/** A body that must be as long as it was the first time. */
class ExpectedBody implements ByteReader {
  readonly #body: ByteReader;
  readonly #length: number;
  readonly #object: string;
  #at = 0;

  constructor(body: ByteReader, length: number, object: string) {
    this.#body = body;
    this.#length = length;
    this.#object = object;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const left = this.#length - this.#at;
    if (left === 0) return null;
    const count = await this.#body.read(into.length > left ? into.subarray(0, left) : into);
    this.#at += count ?? 0;
    // The end is looked for before the last bytes are given, since who has as many as were promised reads no further.
    const isOver = count === null ||
      (this.#at === this.#length && await this.#body.read(new Uint8Array(1)) === null);
    if (isOver === (this.#at === this.#length)) return count;
    throw cannot("read", this.#object, {
      network: `it had ${this.#length} bytes when measured and has another length now`,
    });
  }

  close(): void {
    this.#body.close();
  }
}
