/**
 * Small text files of the kernel's, below /proc and /sys.
 * @module
 */
import type { Files } from "./mod.ts";

const decoder = new TextDecoder();

/** A file's text up to a number of bytes; null where it cannot be read: it is hidden, gone, or another kernel's. */
export function headText(files: Pick<Files, "readHead">, path: string, maxBytes: number): string | null {
  try {
    return decoder.decode(files.readHead(path, maxBytes));
  } catch {
    return null;
  }
}
