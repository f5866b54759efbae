/**
 * A container of objects in memory.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { orAborted, throwIfAborted } from "../../../system/abort.ts";
import { createHasher } from "../../checksum.ts";
import { compareKeys } from "../../key_order.ts";
import type {
  ByteReader,
  ByteSource,
  CallOptions,
  Checksum,
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
import { shownUri } from "../../../text/shown_uri.ts";

const PAGE_KEYS = 1000;

const TRAITS: StoreTraits = {
  minPartBytes: 1,
  maxPartBytes: Number.MAX_SAFE_INTEGER,
  maxParts: 10_000,
  maxPutBytes: Number.MAX_SAFE_INTEGER,
  orderedParts: false,
  partMultiple: 1,
  parallelRanges: false,
  sortedList: true,
  encrypted: false,
};

interface Stored {
  bytes: Uint8Array;
  etag: string;
  checksum: Checksum;
}

/** A container in memory. */
export class MemoryStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits = TRAITS;
  readonly #objects = new Map<string, Stored>();
  #versions = 0;

  /** @param root URI of the container without a trailing slash */
  constructor(root: string) {
    this.root = root;
  }

  #uri(key: string): string {
    return shownUri(`${this.root}/${key}`);
  }

  #find(key: string, action: string): Stored {
    const found = this.#objects.get(key);
    if (found !== undefined) return found;
    const object = this.#uri(key);
    throw cannot(action, object, { "not-found": "no such object" });
  }

  async #store(key: string, bytes: Uint8Array): Promise<ObjectInfo> {
    const hasher = await createHasher("crc32");
    hasher.update(bytes);
    const etag = `"${++this.#versions}"`;
    this.#objects.set(key, { bytes, etag, checksum: { name: "crc32", hex: hasher.hex() } });
    return infoOf(key, this.#objects.get(key)!);
  }

  // deno-lint-ignore require-await
  async get(key: string, options: GetOptions): Promise<GetResult> {
    const object = this.#uri(key);
    throwIfAborted(options.signal, object);
    const found = this.#find(key, "read");
    if (options.ifMatch !== undefined && options.ifMatch !== found.etag) {
      throw cannot("read", object, { changed: "it is another version now" });
    }
    const size = found.bytes.length;
    const start = Math.min(options.start ?? 0, size);
    const end = Math.max(start, Math.min(options.end ?? size, size));
    const body = readerOf(found.bytes.subarray(start, end), () => throwIfAborted(options.signal, object));
    return { info: infoOf(key, found), start, length: end - start, body };
  }

  // deno-lint-ignore require-await
  async head(key: string, options: CallOptions): Promise<ObjectInfo> {
    throwIfAborted(options.signal, this.#uri(key));
    return infoOf(key, this.#find(key, "stat"));
  }

  // deno-lint-ignore require-await
  async list(prefix: string, options: ListOptions): Promise<ListPage> {
    throwIfAborted(options.signal, this.#uri(prefix));
    const after = options.token;
    const keys = [...this.#objects.keys()]
      .filter((key) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0))
      .sort(compareKeys);
    const page = keys.slice(0, PAGE_KEYS);
    const objects = page.map((key) => infoOf(key, this.#objects.get(key)!));
    return keys.length > PAGE_KEYS ? { objects, next: page.at(-1)! } : { objects };
  }

  async put(key: string, source: ByteSource, options: PutOptions): Promise<ObjectInfo> {
    return await this.#store(key, await readSource(source, options.signal, this.#uri(key)));
  }

  // deno-lint-ignore require-await
  async beginUpload(key: string, options: CallOptions): Promise<MultipartUpload> {
    const object = this.#uri(key);
    throwIfAborted(options.signal, object);
    let parts: Map<number, Uint8Array> | null = new Map();
    const gone = () => cannot("upload", object, { "not-found": "the upload has ended" });
    return {
      part: async (number, source, options) => {
        const bytes = await readSource(source, options.signal, object);
        if (parts === null) throw gone();
        parts.set(number, bytes);
      },
      complete: async (options) => {
        throwIfAborted(options.signal, object);
        if (parts === null) throw gone();
        const ordered = [...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
        parts = null;
        return await this.#store(key, joined(ordered));
      },
      abort: () => {
        parts = null;
        return Promise.resolve();
      },
    };
  }

  // deno-lint-ignore require-await
  async delete(key: string, options: CallOptions): Promise<void> {
    throwIfAborted(options.signal, this.#uri(key));
    this.#objects.delete(key);
  }

  close(): void {
    // Nothing is open between calls.
  }
}

function infoOf(key: string, stored: Stored): ObjectInfo {
  return { key, size: stored.bytes.length, etag: stored.etag, checksum: stored.checksum };
}

function joined(pieces: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function readerOf(bytes: Uint8Array, check: () => void): ByteReader {
  let at = 0;
  return {
    // deno-lint-ignore require-await
    async read(into) {
      check();
      if (at >= bytes.length) return null;
      const count = Math.min(into.length, bytes.length - at);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return count;
    },
    close() {
      at = bytes.length;
    },
  };
}

async function readSource(source: ByteSource, signal: AbortSignal, object: string): Promise<Uint8Array> {
  throwIfAborted(signal, object);
  // One byte more than promised, so that a source with too much shows.
  const bytes = new Uint8Array(source.size + 1);
  const reader = source.open();
  let length = 0;
  try {
    while (length < bytes.length) {
      const count = await orAborted(reader.read(bytes.subarray(length)), signal, object);
      if (count === null) break;
      length += count;
    }
  } finally {
    reader.close();
  }
  if (length === source.size) return bytes.subarray(0, length);
  const found = length < source.size ? `only ${length}` : "more";
  throw cannot("store", object, { changed: `its source has ${found} bytes, expected ${source.size}` });
}
