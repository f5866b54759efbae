/**
 * Bodies of uploads, put together from pieces while they are sent.
 * @module
 */
import { cannot, type CopilotError } from "../../../errors.ts";
import { orAborted } from "../../../system/abort.ts";
import { createHasher, hexToBase64 } from "../../checksum.ts";
import type { StreamBody } from "../../../http/client.ts";
import { type ByteReader, type ByteSource, bytesSource, type Checksum } from "../../store.ts";

/** Bytes that are read at a time where they are only looked at. */
const LOOK_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** A source that is not as long as it said. */
export function changed(object: string, detail: string): CopilotError {
  return cannot("send", object, { changed: detail });
}

/**
 * The CRC32C of a source's bytes, so that the store can refuse others before an object is visible.
 *
 * @param expected a checksum that the caller has of the same bytes; verified on the way
 * @throws CopilotError `changed` for a source that is not as long as it says, `integrity` for bytes that are not as `expected`, `aborted`
 */
export async function crc32cOf(
  source: ByteSource,
  options: { expected: Checksum | undefined; object: string; signal: AbortSignal },
): Promise<string> {
  const { expected, object, signal } = options;
  const crc = await createHasher("crc32c");
  const other = expected === undefined ? null : await createHasher(expected.name);
  const reader = source.open();
  let total = 0;
  try {
    const buffer = new Uint8Array(Math.max(1, Math.min(LOOK_BYTES, source.size)));
    for (;;) {
      const count = await orAborted(reader.read(buffer), signal, object);
      if (count === null) break;
      total += count;
      if (total > source.size) break;
      crc.update(buffer.subarray(0, count));
      other?.update(buffer.subarray(0, count));
    }
  } finally {
    reader.close();
  }
  // Taken in every case: it gives the hasher back.
  const [hex, otherHex] = [crc.hex(), other?.hex()];
  if (total !== source.size) {
    throw changed(
      object,
      `it has ${total > source.size ? "more" : "fewer"} than the ${source.size} bytes announced`,
    );
  }
  if (otherHex !== expected?.hex) {
    throw cannot("store", object, {
      integrity: `its ${expected!.name} is ${otherHex}, expected ${expected!.hex}`,
    });
  }
  return hex;
}

/** Reads pieces one after the other. Each must be as long as it says; errors are the body's. */
class JoinedReader implements ByteReader {
  readonly #pieces: ByteSource[];
  readonly #object: string;
  #reader: ByteReader | null = null;
  #left = 0;

  constructor(pieces: readonly ByteSource[], object: string) {
    this.#pieces = [...pieces];
    this.#object = object;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#reader === null || this.#left === 0) {
      if (this.#reader !== null) await this.#endPiece(this.#reader);
      const next = this.#pieces.shift();
      if (next === undefined) return null;
      this.#reader = next.open();
      this.#left = next.size;
    }
    const count = await this.#reader.read(into.length > this.#left ? into.subarray(0, this.#left) : into);
    if (count === null) throw changed(this.#object, "it ended before the bytes that were announced");
    this.#left -= count;
    return count;
  }

  close(): void {
    this.#reader?.close();
    this.#reader = null;
    this.#pieces.length = 0;
  }

  async #endPiece(reader: ByteReader): Promise<void> {
    const more = await reader.read(new Uint8Array(1));
    reader.close();
    this.#reader = null;
    if (more !== null) throw changed(this.#object, "there are more bytes than were announced");
  }
}

/** One body out of several sources. */
export function joined(pieces: readonly ByteSource[], object: string): StreamBody {
  const length = pieces.reduce((sum, { size }) => sum + size, 0);
  return { length, open: () => new JoinedReader(pieces, object) };
}

/**
 * An object with its metadata in one request (multipart/related, RFC 2387).
 *
 * @param boundary text that no object holds: random
 */
export function withMetadata(
  source: ByteSource,
  options: { crc32c: string; boundary: string; object: string },
): { body: StreamBody; contentType: string } {
  const { crc32c, boundary, object } = options;
  const metadata = JSON.stringify({ crc32c: hexToBase64(crc32c) });
  const head = `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${metadata}\r\n` +
    `--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const pieces = [text(head), source, text(`\r\n--${boundary}--\r\n`)];
  return { body: joined(pieces, object), contentType: `multipart/related; boundary=${boundary}` };
}

function text(characters: string): ByteSource {
  return bytesSource(encoder.encode(characters));
}
