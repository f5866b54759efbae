/**
 * MD5s of several large streams that go on at once, hashed together.
 *
 * A stream's bytes are kept until its buffer is full; whichever stream is full first has its blocks hashed beside those of up to seven
 * others that have bytes waiting. One stream alone is hashed alone.
 * @module
 */
import { BLOCK_BYTES, FREE_AT, type Md5Module, openModule, STATE_AT } from "./module.ts";

/** Bytes kept for a stream: what a read gives at most. Untouched pages cost nothing. */
const BUFFER_BYTES = 256 * 1024;
/** Streams at once: 6 MiB of buffers. */
const MAX_STREAMS = 24;
const LANES = 8;
/** A stream with less waiting is not taken along: a call for so few blocks costs more than it saves. */
const WORTHWHILE_BYTES = 16 * 1024;

/** The initial state of RFC 1321, and of no stream. */
const INITIAL = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

interface Stream {
  /** Where its buffer is in the module's memory. */
  at: number;
  /** Bytes waiting in the buffer. */
  waiting: number;
  /** Bytes altogether. */
  length: number;
  state: Uint32Array;
}

/** The hasher of one stream. */
export interface Md5 {
  /** Takes the next bytes; they may be overwritten afterwards. */
  update(bytes: Uint8Array): void;
  /** The digest in lower-case hexadecimal. Ends the stream. */
  hex(): string;
}

let lanes: Md5Lanes | null = null;

/** A hasher that shares its work with the others; null where there are as many as there is room for. */
export function openMd5(): Md5 | null {
  lanes ??= new Md5Lanes();
  return lanes.open();
}

/** Streams that are hashed together. */
export class Md5Lanes {
  readonly #module: Md5Module = openModule(MAX_STREAMS * BUFFER_BYTES);
  readonly #words = new Uint32Array(this.#module.memory.buffer);
  readonly #streams = new Set<Stream>();
  readonly #free = Array.from({ length: MAX_STREAMS }, (_, index) => FREE_AT + index * BUFFER_BYTES);

  /** As {@linkcode openMd5}. */
  open(): Md5 | null {
    const at = this.#free.pop();
    if (at === undefined) return null;
    const stream: Stream = { at, waiting: 0, length: 0, state: Uint32Array.from(INITIAL) };
    this.#streams.add(stream);
    return {
      update: (bytes) => this.#update(stream, bytes),
      hex: () => this.#end(stream),
    };
  }

  #update(stream: Stream, bytes: Uint8Array): void {
    stream.length += bytes.length;
    for (let from = 0; from < bytes.length;) {
      if (stream.waiting === BUFFER_BYTES) this.#drain(stream);
      const piece = bytes.subarray(from, from + BUFFER_BYTES - stream.waiting);
      this.#module.memory.set(piece, stream.at + stream.waiting);
      stream.waiting += piece.length;
      from += piece.length;
    }
  }

  /** Hashes every whole block of a stream, and of others as far as they go along. */
  #drain(stream: Stream): void {
    const others = [...this.#streams].filter((one) => one !== stream && one.waiting >= WORTHWHILE_BYTES)
      .sort((a, b) => b.waiting - a.waiting);
    for (let size = LANES; stream.waiting >= BLOCK_BYTES; size--) {
      const together = [stream, ...others.slice(0, size - 1)].filter((one) => one.waiting >= BLOCK_BYTES);
      this.#hash(together, Math.min(...together.map(({ waiting }) => Math.floor(waiting / BLOCK_BYTES))));
    }
  }

  #hash(streams: readonly Stream[], blocks: number): void {
    const { hash1, hash4, hash8 } = this.#module;
    const width = streams.length === 1 ? 1 : streams.length <= 4 ? 4 : LANES;
    // A lane without a stream works on the first one's bytes, for nothing.
    const filled = Array.from({ length: width }, (_, lane) => streams[lane] ?? streams[0]!);
    filled.forEach(({ state }, lane) => state.forEach((word, k) => this.#words[wordAt(lane, k)] = word));
    const pointers = filled.map(({ at }) => at);
    if (width === 1) hash1(pointers[0]!, blocks);
    else (width === 4 ? hash4 : hash8)(...pointers, blocks);
    streams.forEach((stream, lane) => {
      stream.state.forEach((_, k) => stream.state[k] = this.#words[wordAt(lane, k)]!);
      this.#keepRest(stream, blocks * BLOCK_BYTES);
    });
  }

  #keepRest(stream: Stream, done: number): void {
    this.#module.memory.copyWithin(stream.at, stream.at + done, stream.at + stream.waiting);
    stream.waiting -= done;
  }

  #end(stream: Stream): string {
    const { memory } = this.#module;
    this.#drain(stream);
    const end = stream.at + stream.waiting;
    // RFC 1321, 3.1 and 3.2: a one bit, zeros up to eight bytes before a block's end, and the length in bits.
    const padded = Math.ceil((stream.waiting + 9) / BLOCK_BYTES) * BLOCK_BYTES;
    memory.fill(0, end, stream.at + padded);
    memory[end] = 0x80;
    new DataView(memory.buffer).setBigUint64(stream.at + padded - 8, BigInt(stream.length) * 8n, true);
    stream.waiting = padded;
    this.#hash([stream], padded / BLOCK_BYTES);
    this.#streams.delete(stream);
    this.#free.push(stream.at);
    return new Uint8Array(stream.state.buffer).toHex();
  }
}

/** Where a lane's word of the state is, in words. */
function wordAt(lane: number, k: number): number {
  return (STATE_AT + 64 * (lane >> 2) + 16 * k) / 4 + lane % 4;
}
