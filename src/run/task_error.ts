/**
 * What a task says of its own failure, in the `_ERROR` file.
 * @module
 */
import { cannot } from "../errors.ts";
import { parseTaskError, type RunFailure } from "../flyte/codec/error_document.ts";
import { readWithin } from "../system/beneath.ts";
import type { Files } from "../system/mod.ts";

const ERROR_FILE = "_ERROR";
const MAX_ERROR_FILE_BYTES = 1024 * 1024;

/**
 * The failure that a task's `_ERROR` file declares; null where there is none.
 *
 * @param localDir the directory with the outputs
 * @throws CopilotError `task` for one that cannot be read
 */
export function taskFailure(files: Files, localDir: string): RunFailure | null {
  const path = `${localDir}/${ERROR_FILE}`;
  const found = files.lstat(path);
  if (found === null) return null;
  if (found.kind === "directory") throw cannot("read", path, { task: "error file is a directory" });
  if (found.size > MAX_ERROR_FILE_BYTES) {
    throw cannot("read", path, {
      task: `error file too large ${found.size}, expected at most ${MAX_ERROR_FILE_BYTES} bytes`,
    });
  }
  if (found.kind !== "file") throw cannot("read", path, { task: "error file is not a regular file" });
  const options = { realRoot: files.realPath(localDir), maxBytes: MAX_ERROR_FILE_BYTES };
  return parseTaskError(readWithin(files, path, options));
}
