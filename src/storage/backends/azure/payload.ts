/**
 * Bytes on their way up, with a checksum that the service verifies before it takes them.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { orAborted } from "../../../system/abort.ts";
import { createHasher, type Hasher, hexToBase64 } from "../../checksum.ts";
import type { StreamBody } from "../../../http/client.ts";
import type { ByteSource, Checksum } from "../../store.ts";

/** Up to this many bytes are held while they are sent, so that their source is read once. */
const SMALL_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

/** A body with the header that vouches for it. */
export interface Payload {
  header: readonly [string, string];
  body: Uint8Array | StreamBody;
}

/** What a payload is made for. */
export interface PayloadOptions {
  /** What the caller knows of the bytes. */
  checksum: Checksum | undefined;
  /** URI, for messages. */
  object: string;
  signal: AbortSignal;
}

/**
 * Reads a source and says what its bytes must be. A small one goes with its MD5, which the service keeps for readers; a large
 * one, read a second time while it is sent, with the CRC64 that costs half as much. (Azure's CRC64 is CRC64NVME under another
 * name; its bytes go least significant first.)
 *
 * @throws CopilotError `changed` for a source that is not as long as it said, `integrity` where the caller's checksum is another
 */
export async function payloadOf(source: ByteSource, options: PayloadOptions): Promise<Payload> {
  const isSmall = source.size <= SMALL_BYTES;
  const name = isSmall ? "md5" : "crc64nvme";
  const expected = options.checksum;
  const hashers = [await createHasher(name)];
  if (expected !== undefined && expected.name !== name) hashers.push(await createHasher(expected.name));
  const bytes = new Uint8Array(isSmall ? source.size : READ_BYTES);
  await orAborted(
    readThrough(source, { bytes, hashers, object: options.object }),
    options.signal,
    options.object,
  );
  const sums = new Map(hashers.map((hasher) => [hasher.name, hasher.hex()]));
  if (expected !== undefined && sums.get(expected.name) !== expected.hex) {
    throw cannot("write", options.object, {
      integrity: `the ${expected.name} of its bytes is ${sums.get(expected.name)}, expected ${expected.hex}`,
    });
  }
  const sum = sums.get(name)!;
  if (isSmall) return { header: ["content-md5", hexToBase64(sum)], body: bytes };
  return {
    header: ["x-ms-content-crc64", Uint8Array.fromHex(sum).reverse().toBase64()],
    body: { length: source.size, open: () => source.open() },
  };
}

/** Passes all bytes of a source by the hashers; they stay in `bytes` where it holds them all. */
async function readThrough(
  source: ByteSource,
  { bytes, hashers, object }: { bytes: Uint8Array; hashers: Hasher[]; object: string },
): Promise<void> {
  const changed = (detail: string) =>
    cannot("write", object, { changed: `its source ${detail} the ${source.size} bytes that were announced` });
  const reader = source.open();
  try {
    for (let left = source.size; left > 0;) {
      const start = bytes.length === source.size ? source.size - left : 0;
      const into = bytes.subarray(start, start + Math.min(left, bytes.length - start));
      const count = await reader.read(into);
      if (count === null) throw changed("ended before");
      for (const hasher of hashers) hasher.update(into.subarray(0, count));
      left -= count;
    }
    if (await reader.read(new Uint8Array(1)) !== null) throw changed("has more than");
  } finally {
    reader.close();
  }
}
