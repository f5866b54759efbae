/**
 * Bytes on their way up, with a checksum that the service verifies before it takes them.
 * @module
 */
import { hexToBase64 } from "../../checksum.ts";
import { sumOf } from "../../cloud/source_sums.ts";
import type { StreamBody } from "../../../http/client.ts";
import type { ByteSource, Checksum } from "../../store.ts";

/** Up to this many bytes are held while they are sent, so that their source is read once. */
const SMALL_BYTES = 64 * 1024;

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
  const { checksum: expected, object, signal } = options;
  if (isSmall) {
    const keep = new Uint8Array(source.size);
    const md5 = await sumOf(source, "md5", { expected, object, signal, keep });
    return { header: ["content-md5", hexToBase64(md5)], body: keep };
  }
  const crc = await sumOf(source, "crc64nvme", { expected, object, signal });
  return {
    header: ["x-ms-content-crc64", Uint8Array.fromHex(crc).reverse().toBase64()],
    body: { length: source.size, open: () => source.open() },
  };
}
