/**
 * Files below a directory that somebody else may change at any moment: a symlink swapped in between looking and opening is
 * noticed.
 *
 * The runtime's permissions do not help there: they are about the path that is asked for, whatever a symlink makes of it.
 * @module
 */
import { cannot } from "../errors.ts";
import type { Files, OpenFile } from "./mod.ts";

/** Whether a canonical path is a directory or below it. */
export function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/**
 * Opens a file and looks where it was: the file that is open must be found below the root under a path without symlinks.
 *
 * @param path a regular file, or a symlink to one that stays below the root
 * @param realRoot canonical path
 * @throws CopilotError `path` for a file elsewhere; what {@linkcode Files.openRead} throws
 */
export function openWithin(files: Files, path: string, realRoot: string): OpenFile {
  const file = files.openRead(path);
  try {
    const opened = file.stat();
    const real = files.realPath(path);
    const found = isInside(real, realRoot) ? files.lstat(real) : null;
    if (found?.kind === "file" && found.dev === opened.dev && found.ino === opened.ino) return file;
    throw cannot("read", path, { path: `it is not, or no longer, a file in "${realRoot}"` });
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * The whole of a small file, opened by {@linkcode openWithin}.
 *
 * @throws CopilotError `input` when it is larger than `maxBytes`
 */
export function readWithin(
  files: Files,
  path: string,
  { realRoot, maxBytes }: { realRoot: string; maxBytes: number },
): Uint8Array {
  const file = openWithin(files, path, realRoot);
  try {
    const bytes = new Uint8Array(maxBytes + 1);
    for (let length = 0; length < bytes.length;) {
      const count = file.read(bytes.subarray(length));
      if (count === null) return bytes.subarray(0, length);
      length += count;
    }
  } finally {
    file.close();
  }
  throw cannot("read", path, { input: `it is larger than ${maxBytes} bytes` });
}
