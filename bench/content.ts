/**
 * The bytes of every data set's files, by offset: what is written to disk and what the synthetic server sends are the same.
 * @module
 */
import { crc32 } from "node:zlib";
import type { DataSet } from "./cases.ts";

/** Each block of a file begins with the file's and the block's number, so that bytes in the wrong place are noticed. */
export const BLOCK_BYTES = 1024 * 1024;
const MARK_BYTES = 8;

const zeros = new Uint8Array(BLOCK_BYTES);
const noise = new Uint8Array(BLOCK_BYTES);
for (let at = 0, state = 0x9e3779b9; at < BLOCK_BYTES; at++) {
  // Marsaglia's xorshift: the same bytes on every machine, and none that a disk or a server could compress.
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  noise[at] = state;
}

function mark(file: number, block: number): Uint8Array {
  const bytes = new Uint8Array(MARK_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, file);
  view.setUint32(4, block);
  return bytes;
}

/**
 * The bytes of a file from one offset to before another, in pieces that the next ones do not overwrite.
 *
 * @param file its number within the data set
 */
export function* pieces(set: DataSet, file: number, start: number, end: number): Generator<Uint8Array> {
  const filler = set.isSparse ? zeros : noise;
  for (let at = start; at < end;) {
    const inside = at % BLOCK_BYTES;
    const source = inside < MARK_BYTES ? mark(file, Math.floor(at / BLOCK_BYTES)) : filler;
    const piece = source.subarray(inside, inside + end - at);
    yield piece;
    at += piece.length;
  }
}

/** CRC32 of a whole file. */
export function crcOf(set: DataSet, file: number): number {
  let crc = 0;
  for (const piece of pieces(set, file, 0, set.bytes)) crc = crc32(piece, crc);
  return crc;
}

/** Writes a file; one of zeros gets a disk block for each mark only. */
export function writeFile(set: DataSet, number: number, path: string): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.truncateSync(set.bytes);
  let at = 0;
  for (const piece of pieces(set, number, 0, set.bytes)) {
    if (!set.isSparse || piece.length <= MARK_BYTES) {
      file.seekSync(at, Deno.SeekMode.Start);
      for (let done = 0; done < piece.length;) done += file.writeSync(piece.subarray(done));
    }
    at += piece.length;
  }
}
