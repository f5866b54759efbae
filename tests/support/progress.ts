/**
 * What the tests of transfers say of a session's counters.
 * @module
 */
import assert from "assert";
import type { TransferSession } from "../../src/transfer/session.ts";

/** Asserts what was moved, without a retry and all of it verified. */
export function assertProgress(
  { progress }: TransferSession,
  wanted: { files: number; bytes: number },
): void {
  const { files, bytes, retries, unverified } = progress;
  assert.deepEqual({ files, bytes, retries, unverified }, { ...wanted, retries: 0, unverified: 0 });
}
