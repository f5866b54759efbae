/**
 * A file's bytes as the body of a reply.
 * @module
 */
import { cannot, type CopilotError } from "../../../errors.ts";
import type { FileInfo, OpenFile } from "../../../system/mod.ts";
import type { ByteReader, GetOptions, GetResult, ObjectInfo } from "../../store.ts";
import { throwIfAborted } from "../../../system/abort.ts";
import type { Turns } from "../../../system/turns.ts";

/** The version of a file: another time, size or inode is another version. */
function etagOf(info: FileInfo): string {
  return `"${info.mtimeMs ?? 0}-${info.size}-${info.ino}"`;
}

/** A file as an object. */
export function infoOf(key: string, info: FileInfo): ObjectInfo {
  return { key, size: info.size, etag: etagOf(info) };
}

/** The reply for an empty directory. */
export function emptyReply(info: ObjectInfo): GetResult {
  return { info, start: 0, length: 0, body: { read: () => Promise.resolve(null), close() {} } };
}

/** What is asked for, and what a reply needs besides. */
interface ReplyOptions extends GetOptions {
  /** URI, for errors. */
  object: string;
  turns: Turns;
}

/**
 * The reply for an open file, which belongs to the body from then on.
 *
 * @throws CopilotError `changed` when the file is not the version that is asked for
 */
export function fileReply(key: string, file: OpenFile, options: ReplyOptions): GetResult {
  const { object, signal } = options;
  const info = infoOf(key, file.stat());
  if (options.ifMatch !== undefined && options.ifMatch !== info.etag) throw changed(object);
  const start = Math.min(options.start ?? 0, info.size);
  const length = Math.max(0, Math.min(options.end ?? info.size, info.size) - start);
  file.seek(start);
  const body = new FileBody(file, { length, turns: options.turns }, () => {
    throwIfAborted(signal, object);
    // A second look at every step costs a microsecond, and a mix of two versions never gets out.
    if (etagOf(file.stat()) !== info.etag) throw changed(object);
  });
  return { info, start, length, body };
}

class FileBody implements ByteReader {
  readonly #file: OpenFile;
  readonly #turns: Turns;
  readonly #check: () => void;
  #left: number;
  #open = true;

  constructor(file: OpenFile, { length, turns }: { length: number; turns: Turns }, check: () => void) {
    this.#file = file;
    this.#turns = turns;
    this.#left = length;
    this.#check = check;
    if (length === 0) this.close();
  }

  async read(into: Uint8Array): Promise<number | null> {
    await this.#turns.take();
    if (!this.#open) return null;
    const count = this.#file.read(into.length > this.#left ? into.subarray(0, this.#left) : into);
    this.#check();
    // A file that was cut short has another size, so `check` has thrown; a read of nothing is the end of a full buffer.
    this.#left -= count ?? 0;
    if (this.#left === 0) this.close();
    return count;
  }

  close(): void {
    if (this.#open) this.#file.close();
    this.#open = false;
  }
}

function changed(object: string): CopilotError {
  return cannot("read", object, { changed: "it is another version now, or changed while it was read" });
}
