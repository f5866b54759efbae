/**
 * Checksums of a source's bytes before they are sent, so that a store can refuse others before an object is visible.
 * @module
 */
import { cannot } from "../../errors.ts";
import { orAborted } from "../../system/abort.ts";
import { createHasher } from "../checksum.ts";
import type { ByteSource, Checksum, ChecksumName } from "../store.ts";
import { readThrough } from "./exact_source.ts";

const BUFFER_BYTES = 256 * 1024;

/** What {@linkcode sumsOf} takes besides the source. */
export interface SumsOptions {
  /** URI of what is written, for messages. */
  object: string;
  signal: AbortSignal;
  /** A checksum that the caller has of the same bytes; verified on the way. */
  expected?: Checksum | undefined;
  /** Holds all bytes afterwards. As long as the source. */
  keep?: Uint8Array;
}

/**
 * Reads a source once for a checksum, in lower-case hexadecimal.
 *
 * @throws CopilotError `changed` for a source that is not as long as it says, `integrity` for bytes that are not as `expected`,
 *   `aborted`
 */
export async function sumOf(source: ByteSource, name: ChecksumName, options: SumsOptions): Promise<string> {
  const { object, signal, expected, keep } = options;
  const names = new Set([name, expected?.name ?? name]);
  const hashers = await Promise.all([...names].map(createHasher));
  const buffer = new Uint8Array(Math.max(1, Math.min(BUFFER_BYTES, source.size)));
  let at = 0;
  const take = (bytes: Uint8Array) => {
    keep?.set(bytes, at);
    at += bytes.length;
    for (const hasher of hashers) hasher.update(bytes);
  };
  await orAborted(readThrough(source, { buffer, object, take }), signal, object);
  const sums = new Map(hashers.map((hasher) => [hasher.name, hasher.hex()]));
  if (expected !== undefined && sums.get(expected.name) !== expected.hex) {
    throw cannot("write", object, {
      integrity: `the ${expected.name} of its bytes is ${sums.get(expected.name)}, expected ${expected.hex}`,
    });
  }
  return sums.get(name)!;
}
