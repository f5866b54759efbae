/**
 * Bodies of replies. Each reads from the socket straight into the caller's buffer, after the few bytes that came with the head.
 * @module
 */
import type { ByteReader } from "../storage/store.ts";
import type { Channel } from "./channel.ts";
import { MAX_HEAD_BYTES } from "./head.ts";

/** Gives the connection back; `reusable` says whether another request can follow. */
export type Release = (reusable: boolean) => void;

/** Below this many bytes a chunk is read through the buffer, together with what frames it. */
const SMALL_CHUNK_BYTES = 16 * 1024;
/** A body of known length is read in pieces of this many bytes where the socket gives less at a time. */
const PIECE_BYTES = 128 * 1024;
/** A line with a chunk's size and its extensions. */
const MAX_CHUNK_LINE_BYTES = 4096;

/** What is wrong with a body that ends before its last chunk. */
const CUT = "the connection was closed before the last chunk of the body";

const decoder = new TextDecoder();

/** A body of which nothing is left. */
export const EMPTY_BODY: ByteReader = { read: () => Promise.resolve(null), close() {} };

/** Copies what the buffer holds, at most `into.length` bytes. */
function takeBuffered(channel: Channel, into: Uint8Array): number {
  const count = Math.min(into.length, channel.end - channel.start);
  into.set(channel.buffer.subarray(channel.start, channel.start + count));
  channel.start += count;
  return count;
}

/** A body of a known length. */
export class FixedBody implements ByteReader {
  readonly #channel: Channel;
  readonly #length: number;
  #left: number;
  #release: Release | null;

  constructor(channel: Channel, length: number, release: Release) {
    this.#channel = channel;
    this.#length = length;
    this.#left = length;
    this.#release = release;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#left === 0) return null;
    const wanted = into.length > this.#left ? into.subarray(0, this.#left) : into;
    const channel = this.#channel;
    if (channel.failure !== null) throw channel.failure;
    const count = channel.start < channel.end
      ? takeBuffered(channel, wanted)
      : await channel.read(wanted, Math.min(wanted.length, PIECE_BYTES));
    if (count === null) {
      throw channel.broken(`the body ended after ${this.#length - this.#left} of ${this.#length} bytes`);
    }
    this.#left -= count;
    if (this.#left === 0) this.#end(true);
    return count;
  }

  close(): void {
    const channel = this.#channel;
    const buffered = channel.end - channel.start >= this.#left;
    // What is here already costs nothing to pass over; the rest would cost more than a new connection.
    if (this.#release !== null && buffered) channel.start += this.#left;
    this.#end(buffered);
  }

  #end(whole: boolean): void {
    this.#release?.(whole);
    this.#release = null;
  }
}

/** A body that ends with its connection: nothing tells a whole one from one cut short. */
export class UnboundedBody implements ByteReader {
  readonly #channel: Channel;
  #release: Release | null;

  constructor(channel: Channel, release: Release) {
    this.#channel = channel;
    this.#release = release;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#release === null) return null;
    const channel = this.#channel;
    if (channel.start < channel.end) return takeBuffered(channel, into);
    const count = await channel.read(into);
    if (count === null) this.close();
    return count;
  }

  close(): void {
    this.#release?.(false);
    this.#release = null;
  }
}

/** A body in chunks (RFC 9112, section 7.1). Extensions and trailers are read and dropped. */
export class ChunkedBody implements ByteReader {
  readonly #channel: Channel;
  #release: Release | null;
  /** Bytes of the current chunk that are still to come. */
  #left = 0;
  #first = true;

  constructor(channel: Channel, release: Release) {
    this.#channel = channel;
    this.#release = release;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#release === null) return null;
    const channel = this.#channel;
    if (this.#left === 0 && !await this.#nextChunk()) return null;
    const wanted = into.length > this.#left ? into.subarray(0, this.#left) : into;
    if (channel.start === channel.end && this.#left < SMALL_CHUNK_BYTES) await this.#fill();
    const count = channel.start < channel.end ? takeBuffered(channel, wanted) : await channel.read(wanted);
    if (count === null) throw channel.broken(CUT);
    this.#left -= count;
    return count;
  }

  close(): void {
    this.#end(false);
  }

  #end(whole: boolean): void {
    this.#release?.(whole);
    this.#release = null;
  }

  /** Reads the next chunk's size; false after the last one and its trailers. */
  async #nextChunk(): Promise<boolean> {
    if (!this.#first && await this.#line(2) !== "") {
      throw this.#channel.broken("a chunk is longer than its size");
    }
    this.#first = false;
    const line = await this.#line(MAX_CHUNK_LINE_BYTES);
    const size = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;.*)?$/.exec(line);
    if (size === null) throw this.#channel.broken(`chunk size ${JSON.stringify(line.slice(0, 40))}`);
    this.#left = parseInt(size[1]!, 16);
    if (this.#left > 0) return true;
    for (let total = 0;;) {
      const trailer = await this.#line(MAX_HEAD_BYTES);
      if (trailer === "") break;
      total += trailer.length;
      if (total > MAX_HEAD_BYTES) {
        throw this.#channel.broken(`trailers are larger than ${MAX_HEAD_BYTES} bytes`);
      }
    }
    this.#end(true);
    return false;
  }

  /** Takes a line of at most `maxBytes`, its CRLF included in the count but not in the result. */
  async #line(maxBytes: number): Promise<string> {
    const channel = this.#channel;
    for (;;) {
      const feed = channel.buffer.indexOf(10, channel.start);
      const length = (feed < 0 || feed >= channel.end ? channel.end : feed + 1) - channel.start;
      if (length > maxBytes) {
        throw channel.broken(`a line of the chunked body is longer than ${maxBytes} bytes`);
      }
      if (feed >= 0 && feed < channel.end) {
        if (length < 2 || channel.buffer[feed - 1] !== 13) {
          throw channel.broken("a chunk's line ends without carriage return");
        }
        const line = decoder.decode(channel.buffer.subarray(channel.start, feed - 1));
        channel.start = feed + 1;
        return line;
      }
      await this.#fill();
    }
  }

  async #fill(): Promise<void> {
    if (await this.#channel.fill() === null) throw this.#channel.broken(CUT);
  }
}
