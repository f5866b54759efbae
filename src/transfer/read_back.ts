/**
 * Checksums of a file that was just written, read once more out of the page cache.
 * @module
 */
import { createHasher, type Hasher } from "../storage/checksum.ts";
import type { ChecksumName } from "../storage/store.ts";
import type { OpenFile } from "../system/mod.ts";
import type { TransferSession } from "./session.ts";

/** Bytes that are hashed before other transfers get their turn. */
const TURN_BYTES = 8 * 1024 * 1024;

/** A checksum of all bytes of a file, in lower-case hexadecimal. Leaves its offset at the end. */
export async function digestOfFile(
  session: TransferSession,
  file: OpenFile,
  name: ChecksumName,
): Promise<string> {
  const hasher = await createHasher(name, file.stat().size);
  await hashFile(session, file, { hasher, from: 0 });
  return hasher.hex();
}

/** Gives a hasher the bytes of a file from an offset on. Leaves the file's offset at the end. */
export async function hashFile(
  session: TransferSession,
  file: OpenFile,
  { hasher, from }: { hasher: Hasher; from: number },
): Promise<void> {
  const { system, buffers, signal } = session;
  const buffer = buffers.take();
  try {
    file.seek(from);
    for (let at = 0, turn = 0;;) {
      const count = file.read(buffer);
      if (count === null) return;
      hasher.update(buffer.subarray(0, count));
      at += count;
      if (at - turn < TURN_BYTES) continue;
      turn = at;
      await system.clock.sleep(0, signal);
    }
  } finally {
    buffers.give(buffer);
  }
}
