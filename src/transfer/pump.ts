/**
 * Bytes from a body to wherever they go.
 * @module
 */
import type { Hasher } from "../storage/checksum.ts";
import type { ByteReader } from "../storage/store.ts";
import type { TransferSession } from "./session.ts";

/** What {@linkcode pump} moves. */
export interface Pump {
  /** Offset of the body's first byte in the object, and of the byte after the last one wanted. */
  start: number;
  end: number;
  buffer: Uint8Array;
  hasher: Hasher | null;
  write(bytes: Uint8Array, offset: number): void;
}

/** Moves bytes from a body until `end` or the body's end; gives the offset reached. */
export async function pump(session: TransferSession, body: ByteReader, job: Pump): Promise<number> {
  let at = job.start;
  while (at < job.end) {
    const room = job.end - at;
    const count = await body.read(room < job.buffer.length ? job.buffer.subarray(0, room) : job.buffer);
    if (count === null) break;
    const bytes = job.buffer.subarray(0, count);
    job.hasher?.update(bytes);
    job.write(bytes, at);
    at += count;
    session.progress.bytes += count;
  }
  return at;
}
