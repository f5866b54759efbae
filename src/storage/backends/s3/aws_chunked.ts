/**
 * The aws-chunked framing with a checksum behind the bytes (STREAMING-UNSIGNED-PAYLOAD-TRAILER), made while they are read, so
 * that each byte is looked at once.
 * @module
 */
import { crc32 } from "node:zlib";
import { hexToBase64 } from "../../checksum.ts";
import { ExactReader } from "../../cloud/exact_source.ts";
import type { StreamBody } from "../../../http/client.ts";
import type { ByteReader, ByteSource } from "../../store.ts";

/** Bytes of a chunk. S3 wants at least 8 KiB; MinIO takes at most 16 MiB. */
const CHUNK_BYTES = 256 * 1024;

const encoder = new TextEncoder();

/** The header and trailer of the checksum. */
export const TRAILER = "x-amz-checksum-crc32";

/** A CRC32 as {@linkcode Checksum} has it. */
export function crcHex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/** The framed body's length in bytes. */
function framedLength(size: number): number {
  const whole = Math.floor(size / CHUNK_BYTES);
  const rest = size % CHUNK_BYTES;
  const framed = (bytes: number) => bytes.toString(16).length + 2 + bytes + 2;
  // An empty chunk, the trailer with eight digits of base64, an empty line.
  const end = "0\r\n".length + TRAILER.length + ":AAAAAA==\r\n".length + "\r\n".length;
  return whole * framed(CHUNK_BYTES) + (rest > 0 ? framed(rest) : 0) + end;
}

/** A framed body, and the checksum of what the last reader that ended has read. */
export interface FramedBody extends StreamBody {
  /** Hexadecimal; known once a reader has ended. */
  crc: string;
}

/**
 * Frames a source. Reading it fails with `changed` where the source is not as long as it said.
 *
 * @param object URI, for messages
 */
export function awsChunked(source: ByteSource, object: string): FramedBody {
  const body: FramedBody = {
    length: framedLength(source.size),
    crc: "",
    open: () => new ChunkedReader(source, object, (crc) => body.crc = crc),
  };
  return body;
}

class ChunkedReader implements ByteReader {
  readonly #reader: ByteReader;
  readonly #done: (crc: string) => void;
  /** Bytes of the source that no chunk has announced yet. */
  #unannounced: number;
  /** Bytes of the current chunk that are still to come. */
  #chunkLeft = 0;
  /** Framing that has to go out before anything else. */
  #framing: Uint8Array = new Uint8Array(0);
  #crc = 0;
  #started = false;
  #ended = false;

  constructor(source: ByteSource, object: string, done: (crc: string) => void) {
    this.#reader = new ExactReader(source, object);
    this.#done = done;
    this.#unannounced = source.size;
  }

  async read(into: Uint8Array): Promise<number | null> {
    let filled = 0;
    while (filled < into.length) {
      if (this.#framing.length > 0) {
        filled += this.#takeFraming(into.subarray(filled));
      } else if (this.#chunkLeft > 0) {
        const room = into.subarray(filled, filled + Math.min(this.#chunkLeft, into.length - filled));
        // Never null before all bytes that were announced.
        const count = (await this.#reader.read(room))!;
        this.#crc = crc32(room.subarray(0, count), this.#crc);
        this.#chunkLeft -= count;
        filled += count;
      } else if (this.#ended) {
        break;
      } else {
        await this.#nextChunk();
      }
    }
    if (filled > 0 || into.length === 0) return filled;
    return null;
  }

  close(): void {
    this.#reader.close();
  }

  #takeFraming(into: Uint8Array): number {
    const count = Math.min(into.length, this.#framing.length);
    into.set(this.#framing.subarray(0, count));
    this.#framing = this.#framing.subarray(count);
    return count;
  }

  async #nextChunk(): Promise<void> {
    const before = this.#started ? "\r\n" : "";
    this.#started = true;
    this.#chunkLeft = Math.min(CHUNK_BYTES, this.#unannounced);
    this.#unannounced -= this.#chunkLeft;
    if (this.#chunkLeft > 0) {
      this.#framing = encoder.encode(`${before}${this.#chunkLeft.toString(16)}\r\n`);
      return;
    }
    this.#ended = true;
    // Throws where there is more.
    await this.#reader.read(new Uint8Array(1));
    const crc = crcHex(this.#crc);
    this.#done(crc);
    this.#framing = encoder.encode(`${before}0\r\n${TRAILER}:${hexToBase64(crc)}\r\n\r\n`);
  }
}
