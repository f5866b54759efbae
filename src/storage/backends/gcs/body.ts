/**
 * Bodies of uploads, put together from pieces while they are sent.
 * @module
 */
import { hexToBase64 } from "../../checksum.ts";
import { ExactReader } from "../../cloud/exact_source.ts";
import type { StreamBody } from "../../../http/client.ts";
import { type ByteReader, type ByteSource, bytesSource } from "../../store.ts";

const encoder = new TextEncoder();

/** Reads pieces one after the other. Each must be as long as it says; errors are the body's. */
class JoinedReader implements ByteReader {
  readonly #pieces: ByteSource[];
  readonly #object: string;
  #reader: ByteReader | null = null;

  constructor(pieces: readonly ByteSource[], object: string) {
    this.#pieces = [...pieces];
    this.#object = object;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#reader === null) {
        const next = this.#pieces.shift();
        if (next === undefined) return null;
        this.#reader = new ExactReader(next, this.#object);
      }
      const count = await this.#reader.read(into);
      if (count !== null) return count;
      this.#reader.close();
      this.#reader = null;
    }
  }

  close(): void {
    this.#reader?.close();
    this.#reader = null;
    this.#pieces.length = 0;
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
