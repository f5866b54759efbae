/**
 * Files that an earlier run has left whole: a download that was killed and starts again does not fetch them once more.
 * @module
 */
import { createHasher } from "../storage/checksum.ts";
import type { Checksum, ObjectInfo } from "../storage/store.ts";
import type { FileInfo } from "../system/mod.ts";
import { hashFile } from "./read_back.ts";
import type { TransferSession } from "./session.ts";

/**
 * A checksum to hold bytes against: declared, or guessed from an ETag, which is all that a listing has. Bytes whose MD5 the ETag is are
 * the object's; a wrong guess costs no more than fetching.
 */
function checksumOf({ checksum, etag = "" }: ObjectInfo): Checksum | undefined {
  const guess = /^"?([0-9a-f]{32})"?$/.exec(etag)?.[1];
  return checksum ?? (guess === undefined ? undefined : { name: "md5", hex: guess });
}

/** Whether a file could be the object, by its size alone. */
export function maybeKept(
  { system: { files } }: TransferSession,
  path: string,
  size: number | undefined,
): boolean {
  return isFileOf(files.lstat(path), size);
}

function isFileOf(found: FileInfo | null, size: number | undefined): found is FileInfo {
  return found?.kind === "file" && (size === undefined || found.size === size);
}

/**
 * Whether a file is the object already: as many bytes, with the checksum that the store has. Without a checksum nothing is.
 *
 * @param path absolute; nothing, or whatever is there
 */
export async function isKept(session: TransferSession, path: string, info: ObjectInfo): Promise<boolean> {
  const { files } = session.system;
  const wanted = checksumOf(info);
  const before = files.lstat(path);
  if (wanted === undefined || !isFileOf(before, info.size)) return false;
  const file = files.openRead(path);
  try {
    const hasher = await createHasher(wanted.name, info.size);
    await hashFile(session, file, { hasher, from: 0 });
    if (hasher.hex() !== wanted.hex) return false;
  } finally {
    file.close();
  }
  const after = files.lstat(path);
  return after !== null && after.ino === before.ino && after.mtimeMs === before.mtimeMs;
}
