/**
 * The main thread's side of reading directories for the Worker, which must not load libraries: it asks for a directory by message and
 * waits, blocked, until the entries stand in memory that both share. Nothing is read that the Worker may not read itself.
 * @module
 */
import { isInside } from "../system/beneath.ts";
import type { DirentReader } from "../system/getdents.ts";
import type { Files } from "../system/mod.ts";

/** Bytes of entries in one answer: some thousand names. */
const PIECE_BYTES = 128 * 1024;
/** An entry needs no more: a name of 255 bytes and what stands before it. */
const ENTRY_BYTES = 280;
const HEAD_BYTES = 12;

/** Words at the start of the shared memory: whether the answer is there, its bytes or -1, and the handle for more or -1. */
export const ANSWERED = 0;
export const COUNT = 1;
export const HANDLE = 2;

/** What the Worker asks. */
export type DirectoryRequest =
  | { kind: "list"; path: string }
  | { kind: "list-more"; handle: number }
  | { kind: "list-close"; handle: number };

/** Memory for answers. */
export function sharedAnswer(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + PIECE_BYTES);
}

/** The parts of the shared memory. */
export function partsOf(shared: SharedArrayBuffer): { head: Int32Array; bytes: Uint8Array } {
  return { head: new Int32Array(shared, 0, HEAD_BYTES / 4), bytes: new Uint8Array(shared, HEAD_BYTES) };
}

/** What {@linkcode DirectoryServer} works with. */
export interface DirectoryServerOptions {
  reader: DirentReader;
  files: Pick<Files, "realPath">;
  shared: SharedArrayBuffer;
  /** Directories that the Worker may read, with all below them. */
  readable(): Iterable<string>;
}

/** Answers one Worker. */
export class DirectoryServer {
  readonly #options: DirectoryServerOptions;
  readonly #open = new Set<number>();
  readonly #buffer = new Uint8Array(PIECE_BYTES);

  constructor(options: DirectoryServerOptions) {
    this.#options = options;
  }

  /** Puts the answer where the Worker waits for it; a failure is one too, after which the Worker finds out itself what is wrong. */
  async answer(request: DirectoryRequest): Promise<void> {
    const { count, handle } = await this.#carryOut(request).catch(() => ({ count: -1, handle: -1 }));
    const { head, bytes } = partsOf(this.#options.shared);
    if (count > 0) bytes.set(this.#buffer.subarray(0, count));
    head[COUNT] = count;
    head[HANDLE] = handle;
    Atomics.store(head, ANSWERED, 1);
    Atomics.notify(head, ANSWERED);
  }

  /** Closes what a Worker that has ended left open. */
  async close(): Promise<void> {
    for (const fd of this.#open) await this.#end(fd);
  }

  async #carryOut(request: DirectoryRequest): Promise<{ count: number; handle: number }> {
    if (request.kind === "list") return await this.#fill(await this.#begin(request.path));
    if (!this.#open.has(request.handle)) return { count: -1, handle: -1 };
    if (request.kind === "list-more") return await this.#fill(request.handle);
    await this.#end(request.handle);
    return { count: 0, handle: -1 };
  }

  async #begin(path: string): Promise<number> {
    const { reader, files, readable } = this.#options;
    const real = files.realPath(path);
    const isReadable = [...readable()].some((root) =>
      isInside(real, root) || isInside(real, realPathOf(files, root))
    );
    const fd = isReadable ? await reader.open(real) : -1;
    if (fd < 0) throw new Error("not to be read");
    this.#open.add(fd);
    return fd;
  }

  /** Reads until the buffer is full or the directory is at its end. */
  async #fill(fd: number): Promise<{ count: number; handle: number }> {
    let count = 0;
    while (this.#buffer.length - count >= ENTRY_BYTES) {
      const more = await this.#options.reader.read(fd, this.#buffer.subarray(count));
      if (more <= 0) {
        await this.#end(fd);
        return { count: more < 0 ? -1 : count, handle: -1 };
      }
      count += more;
    }
    return { count, handle: fd };
  }

  async #end(fd: number): Promise<void> {
    this.#open.delete(fd);
    await this.#options.reader.close(fd);
  }
}

function realPathOf(files: Pick<Files, "realPath">, path: string): string {
  try {
    return files.realPath(path);
  } catch {
    return path;
  }
}
