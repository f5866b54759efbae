/**
 * A directory as an object store.
 * @module
 */
import { cannot, type CopilotError, from } from "../../../errors.ts";
import type { FileInfo, System } from "../../../system/mod.ts";
import { orAborted, throwIfAborted } from "../../../system/abort.ts";
import { BUFFERS } from "../../../system/buffers.ts";
import { Turns } from "../../../system/turns.ts";
import { emptyReply, fileReply, infoOf } from "./body.ts";
import { LocalPaths } from "./local_path.ts";
import { PartFile } from "./part_file.ts";
import { type TreeEntry, walkTree } from "./tree.ts";
import { Unfinished } from "./unfinished.ts";
import type {
  ByteSource,
  CallOptions,
  GetOptions,
  GetResult,
  ListOptions,
  ListPage,
  MultipartUpload,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreTraits,
} from "../../store.ts";

/** What of the machine a store of files needs. */
type FileSystem = Pick<System, "files" | "randomHex"> & {
  clock: Pick<System["clock"], "monotonicMs" | "sleep">;
};

const PAGE_KEYS = 1000;
/** Listings under way whose place is remembered. */
const REMEMBERED_WALKS = 4;

const TRAITS: StoreTraits = {
  minPartBytes: 1,
  maxPartBytes: Number.MAX_SAFE_INTEGER,
  maxParts: Number.MAX_SAFE_INTEGER,
  maxPutBytes: Number.MAX_SAFE_INTEGER,
  orderedParts: false,
  partMultiple: 1,
  parallelRanges: false,
  sortedList: true,
  encrypted: false,
};

/** Files of one directory, or of all where keys are paths. */
export class FileStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits = TRAITS;
  readonly #system: FileSystem;
  readonly #paths: LocalPaths;
  readonly #turns: Turns;
  /** Where listings stopped, by prefix and token, so that the next page need not begin anew. */
  readonly #walks = new Map<string, Generator<TreeEntry, void>>();

  /**
   * @param options.root URI of the container without a trailing slash
   * @param options.directory the container's directory; null where keys are paths
   */
  constructor(
    system: FileSystem,
    options: { root: string; directory: string | null },
  ) {
    this.#system = system;
    this.#turns = new Turns(system.clock);
    this.root = options.root;
    this.#paths = new LocalPaths(system.files, options);
  }

  /** Runs a step of a call, which is synchronous; errors of the file system get the URI as their object. */
  async #on<T>(action: string, key: string, signal: AbortSignal, step: () => T | Promise<T>): Promise<T> {
    const object = this.#paths.uri(key);
    await this.#turns.take();
    throwIfAborted(signal, object);
    try {
      return await step();
    } catch (thrown) {
      const error = from(thrown, { action, object, fallback: "io" });
      throw error.object === object ? error : error.within({ action, object });
    }
  }

  #missing(action: string, key: string): CopilotError {
    const object = this.#paths.uri(key);
    return cannot(action, object, { "not-found": "no such file" });
  }

  /** The file or empty directory of a key. */
  #find(action: string, key: string): FileInfo {
    const path = this.#paths.path(key);
    const found = this.#system.files.stat(path);
    if (found === null) throw this.#missing(action, key);
    this.#paths.assertInside(path, key);
    const isMarker = key.endsWith("/");
    if (isMarker !== (found.kind === "directory")) throw this.#missing(action, key);
    if (isMarker && !this.#isEmpty(path)) throw this.#missing(action, key);
    return isMarker ? { ...found, size: 0 } : found;
  }

  #isEmpty(path: string): boolean {
    let isEmpty = true;
    for (const _ of this.#system.files.listDir(path, () => isEmpty = false)) return false;
    return isEmpty;
  }

  get(key: string, options: GetOptions): Promise<GetResult> {
    return this.#on("read", key, options.signal, () => {
      const found = this.#find("read", key);
      if (found.kind === "directory") return emptyReply(infoOf(key, found));
      const file = this.#system.files.openRead(this.#paths.path(key));
      try {
        return fileReply(key, file, { ...options, object: this.#paths.uri(key), turns: this.#turns });
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  head(key: string, options: CallOptions): Promise<ObjectInfo> {
    return this.#on("stat", key, options.signal, () => infoOf(key, this.#find("stat", key)));
  }

  list(prefix: string, options: ListOptions): Promise<ListPage> {
    return this.#on("list", prefix, options.signal, () => {
      const id = `${options.token}\0${prefix}`;
      const walk = this.#walks.get(id) ?? this.#walk(prefix, options.token);
      this.#walks.delete(id);
      const objects: ObjectInfo[] = [];
      while (objects.length < PAGE_KEYS) {
        const { value } = walk.next();
        if (value === undefined) return { objects };
        objects.push(infoOf(value.key, value.info));
      }
      const next = objects.at(-1)!.key;
      if (this.#walks.size >= REMEMBERED_WALKS) this.#walks.delete(this.#walks.keys().next().value!);
      this.#walks.set(`${next}\0${prefix}`, walk);
      return { objects, next };
    });
  }

  #walk(prefix: string, after: string | undefined): Generator<TreeEntry, void> {
    const { directory } = this.#paths;
    const root = directory === null ? undefined : directory;
    return walkTree(this.#system.files, {
      prefix,
      after,
      root,
      pathOf: (key) => this.#paths.directoryPath(key),
    });
  }

  async put(key: string, source: ByteSource, options: PutOptions): Promise<ObjectInfo> {
    const { signal } = options;
    if (key.endsWith("/")) return await this.#on("store", key, signal, () => this.#putMarker(key, source));
    const unfinished = await this.#on("store", key, signal, () => this.#create(key));
    try {
      await this.#copy(key, source, { signal, write: (bytes) => unfinished.file.write(bytes) });
      return await this.#on("store", key, signal, () => unfinished.finish());
    } catch (error) {
      unfinished.discard();
      throw error;
    }
  }

  #putMarker(key: string, source: ByteSource): ObjectInfo {
    const object = this.#paths.uri(key);
    if (source.size > 0) {
      throw cannot("store", object, { path: `a directory cannot hold ${source.size} bytes` });
    }
    const path = this.#paths.path(key).slice(0, -1);
    this.#paths.makeParents(path, key);
    this.#system.files.mkdir(path);
    return { key, size: 0 };
  }

  #create(key: string): Unfinished {
    return new Unfinished(this.#system, this.#paths, key);
  }

  /** Moves the bytes of a source, exactly as many as it promises. */
  async #copy(
    key: string,
    source: ByteSource,
    options: CallOptions & { write(bytes: Uint8Array): void },
  ): Promise<void> {
    const object = this.#paths.uri(key);
    const buffer = BUFFERS.take();
    const reader = source.open();
    let length = 0;
    let isReading = false;
    try {
      for (;;) {
        isReading = true;
        const count = await orAborted(reader.read(buffer), options.signal, object);
        isReading = false;
        if (count === null) break;
        length += count;
        if (length > source.size) break;
        await this.#on("store", key, options.signal, () => options.write(buffer.subarray(0, count)));
      }
    } finally {
      reader.close();
      // A read that was given up may still fill it.
      if (!isReading) BUFFERS.give(buffer);
    }
    if (length === source.size) return;
    const found = length < source.size ? `only ${length}` : "more";
    throw cannot("store", object, { changed: `its source has ${found} bytes, expected ${source.size}` });
  }

  async beginUpload(key: string, options: CallOptions): Promise<MultipartUpload> {
    const object = this.#paths.uri(key);
    const unfinished = await this.#on("store", key, options.signal, () => this.#create(key));
    const parts = new PartFile(unfinished.file);
    let open = true;
    const assertOpen = () => {
      if (!open) {
        throw cannot("upload", object, { "not-found": "the upload has ended" });
      }
    };
    return {
      part: async (number, source, { signal }) => {
        assertOpen();
        const part = parts.begin(number, source.size);
        const write = (bytes: Uint8Array) => {
          assertOpen();
          part.write(bytes);
        };
        await this.#copy(key, source, { signal, write });
        part.finish();
      },
      complete: async ({ signal }) => {
        assertOpen();
        const info = await this.#on(
          "store",
          key,
          signal,
          () => this.#complete(key, unfinished, { parts, signal }),
        );
        open = false;
        return info;
      },
      abort: () => {
        if (open) unfinished.discard();
        open = false;
        return Promise.resolve();
      },
    };
  }

  async #complete(
    key: string,
    unfinished: Unfinished,
    { parts, signal }: CallOptions & { parts: PartFile },
  ): Promise<ObjectInfo> {
    if (parts.isInOrder()) return unfinished.finish();
    const ordered = this.#create(key);
    try {
      await parts.copyTo(ordered.file, async () => {
        await this.#turns.take();
        throwIfAborted(signal, this.#paths.uri(key));
      });
      const info = ordered.finish();
      unfinished.discard();
      return info;
    } catch (error) {
      ordered.discard();
      throw error;
    }
  }

  delete(key: string, options: CallOptions): Promise<void> {
    return this.#on("delete", key, options.signal, () => {
      const path = this.#paths.path(key).replace(/\/$/, "");
      const found = this.#system.files.lstat(path);
      if (found === null) return;
      const isMarker = key.endsWith("/");
      if (isMarker !== (found.kind === "directory") || (isMarker && !this.#isEmpty(path))) return;
      this.#paths.assertParentInside(path, key);
      this.#system.files.remove(path);
    });
  }

  close(): void {
    this.#walks.clear();
  }
}
