/**
 * Flyte's documents as the judge reads them.
 * @module
 */
import { decode } from "../../src/flyte/codec/idl.ts";

/** Code and message of an ErrorDocument; null for none. */
export function decodeErrorText(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  const { error } = decode("ErrorDocument", bytes);
  return `${error?.code ?? ""}: ${error?.message ?? ""}`;
}
