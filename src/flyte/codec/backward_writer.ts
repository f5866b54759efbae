/**
 * Protobuf's wire format, written from the last byte to the first: what a message holds is there before its length is
 * written, so that nothing is kept but the bytes themselves.
 * @module
 */

const FIRST_BYTES = 256;
const MAX_CHUNK_BYTES = 256 * 1024;
/** Texts up to this length are encoded without memory of their own. */
const SHORT_TEXT = 1024;
/** Bytes from this length on are not copied. */
const LARGE_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Bytes that grow at their front, in chunks, so that no byte is copied when there are more. */
export class BackwardWriter {
  /** What is behind the chunk that is being filled, the last bytes first. */
  readonly #full: Uint8Array[] = [];
  #fullBytes = 0;
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  /** Where the first byte is that has been written. */
  #at = FIRST_BYTES;
  readonly #scratch = new Uint8Array(SHORT_TEXT * 3);

  /** Bytes so far. */
  get length(): number {
    return this.#fullBytes + this.#bytes.length - this.#at;
  }

  /** What has been written, in its order; the writer is not used any more. */
  finish(): Uint8Array[] {
    this.#close();
    return this.#full.reverse();
  }

  /** Bytes as they are. Many are not copied, so they must stay as they are. */
  raw(bytes: Uint8Array): void {
    if (bytes.length < LARGE_BYTES) {
      this.#makeRoom(bytes.length);
      return this.#bytes.set(bytes, this.#at);
    }
    this.#close();
    this.#full.push(bytes);
    this.#fullBytes += bytes.length;
  }

  /** A text in UTF-8. */
  text(text: string): void {
    if (text.length > SHORT_TEXT) return this.raw(encoder.encode(text));
    const { written } = encoder.encodeInto(text, this.#scratch);
    this.raw(this.#scratch.subarray(0, written));
  }

  /** A whole number from 0 to 2^32 - 1. */
  varint(value: number): void {
    let size = 1;
    for (let rest = value >>> 7; rest !== 0; rest >>>= 7) size++;
    this.#makeRoom(size);
    let at = this.#at;
    for (; size > 1; size--, value >>>= 7) this.#bytes[at++] = (value & 0x7f) | 0x80;
    this.#bytes[at] = value;
  }

  /** 64 bits; a negative number as its two's complement. */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    if (rest <= 0xffff_ffffn) return this.varint(Number(rest));
    const bytes: number[] = [];
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#at);
  }

  double(value: number): void {
    this.#makeRoom(8);
    this.#view.setFloat64(this.#at, value, true);
  }

  #makeRoom(bytes: number): void {
    if (bytes > this.#at) {
      const { length } = this.#bytes;
      this.#close();
      this.#start(Math.max(Math.min(length * 2, MAX_CHUNK_BYTES), bytes));
    }
    this.#at -= bytes;
  }

  #close(): void {
    const written = this.#bytes.subarray(this.#at);
    if (written.length === 0) return;
    this.#full.push(written);
    this.#fullBytes += written.length;
    // What is left in front of a chunk is the next one's room.
    this.#bytes = this.#bytes.subarray(0, this.#at);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  #start(bytes: number): void {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = bytes;
  }
}
