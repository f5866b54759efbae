/**
 * The one contract that every store keeps, in words and types. tests/storage/contract/mod.ts holds each registered
 * backend to it, clause by clause, alone and wrapped.
 *
 * Clauses:
 *  1. Keys are byte-exact: what was put under `a%20b#?é/..x` is got, listed and deleted under exactly that key. A key is
 *     never decoded, normalised or joined.
 *  2. `put` and `complete` are atomic: a reader sees the old object, then the whole new one, never a part.
 *  3. A `put` whose source gives fewer or more bytes than its `size` fails with `changed` and leaves the old object.
 *  4. `get` of a missing key, `head` of a missing key: `not-found`. `list` of a prefix without objects: an empty page.
 *     `delete` of a missing key: success.
 *  5. `get` with a range that starts at or past the end of the object: an empty body (`length` 0), no error. `info.size` is
 *     always the size of the whole object.
 *  6. `get` with `ifMatch` of another version: `changed`, before any byte of the body.
 *  7. `list` gives keys that start with the prefix, byte-wise ascending (a store that cannot sort says so in
 *     `traits.sortedList`), page by page, each key exactly once while nothing changes; it never holds more than a page. A store
 *     passes on the tokens that its server gives; `listing.ts` notices when they lead nowhere.
 *  8. Parts of an upload may come in any order and several at a time unless `traits.orderedParts`; a part sent again under its
 *     number replaces the earlier one. `abort` removes every part; after `abort` or a failed `complete` nothing is visible.
 *  9. A store does not retry, does not limit concurrency and keeps no bytes of objects: `retry.ts` and `transfer.ts` do. (The
 *     exception: a reused connection that turns out closed before a byte of the reply came is replaced once.)
 * 10. The caller closes every body it got, also after an error; a body read to its end frees its connection by itself.
 * 11. Every call that waits takes a signal and rejects with `aborted` soon after it fires, leaving nothing behind but, at
 *     most, an upload that the caller aborts.
 * 12. Errors are CopilotErrors with a code of `errors.ts`, the URI as object, and never a credential.
 * 13. A body's read fails with `network` when the connection ends before `length` bytes came; it never ends early in silence.
 * 14. Where the store gives a checksum of the whole object, `info.checksum` has it; the caller verifies it.
 * 15. A listing that does not end (tokens in a circle, pages that come again) is `unsupported`, through `listing.ts`.
 * 16. Ranges are an optimisation of the caller: one that fails, or comes other than it was asked for, is never the object's end.
 * 17. An object is not below its own key: `list` of `p/` is empty where there is only `p`, and `head` of `p` gives its size; an empty
 *     `p/` says so too. What a prefix is that turns out to be an object is the caller's question.
 * @module
 */

/** Bytes that come once, in order. At most one read at a time. */
export interface ByteReader {
  /** Reads at least one and at most `into.length` bytes into `into`; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Frees what is behind it. Idempotent; closing before the end throws the rest away. */
  close(): void;
}

/** Bytes that can be read again from the start, so that a request can be retried. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** A new reader from the first byte. */
  open(): ByteReader;
  /** All of them, where they are in memory anyway. */
  readonly bytes?: Uint8Array;
}

/** Checksum algorithms that stores give or take. Values are in lower-case hexadecimal, big-endian. */
export type ChecksumName = "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256" | "md5";

/** A checksum of a whole object. */
export interface Checksum {
  name: ChecksumName;
  hex: string;
}

/** What is known about an object. */
export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  /** Opaque; pins a version with `ifMatch` unless it is weak (`W/…`), see version.ts. Absent where the store has none. */
  etag?: string;
  /** When it was last modified, as the store writes it, if that is long enough ago to tell versions apart; see version.ts. */
  modified?: string;
  /** Of the whole object, never of a range or of parts. The cheapest to verify if there are several. */
  checksum?: Checksum;
  /** An ETag that looks like the MD5 of the whole object, in lower-case hexadecimal: a guess, see verification.ts. */
  etagMd5?: string;
}

/** Options of every call. */
export interface CallOptions {
  signal: AbortSignal;
}

/** Options of {@linkcode ObjectStore.get}. */
export interface GetOptions extends CallOptions {
  /** First byte wanted. Default 0. */
  start?: number;
  /** The byte after the last one wanted. Default: the end of the object. */
  end?: number;
  /** Only this version. */
  ifMatch?: string;
}

/** An object's bytes on their way. */
export interface GetResult {
  info: ObjectInfo;
  /** Offset of the body's first byte. A store that ignores ranges answers 0, and the caller must look. */
  start: number;
  /** Bytes in the body. */
  length: number;
  body: ByteReader;
}

/** Options of {@linkcode ObjectStore.list}. */
export interface ListOptions extends CallOptions {
  /** `next` of the page before. */
  token?: string;
}

/** One page of a listing. */
export interface ListPage {
  objects: ObjectInfo[];
  /** Absent on the last page. */
  next?: string;
}

/** Options of {@linkcode ObjectStore.put} and parts. */
export interface PutOptions extends CallOptions {
  /** A checksum of all bytes of the source where the caller knows it beforehand; the store sends it if it can. */
  checksum?: Checksum;
}

/** A multipart upload under way. Part numbers count from 1. */
export interface MultipartUpload {
  part(number: number, source: ByteSource, options: PutOptions): Promise<void>;
  complete(options: CallOptions): Promise<ObjectInfo>;
  /** Removes what was uploaded. Idempotent. */
  abort(options: CallOptions): Promise<void>;
}

/** What a store can do; plain facts that transfer.ts plans with. */
export interface StoreTraits {
  /** Bytes of the smallest part but the last, and of the largest. */
  minPartBytes: number;
  maxPartBytes: number;
  /** Parts of an upload at most. */
  maxParts: number;
  /** Bytes that one `put` takes at most. */
  maxPutBytes: number;
  /** Parts must come in order, one at a time (resumable uploads of GCS). All but the last are then multiples of `partMultiple`. */
  orderedParts: boolean;
  /** Part sizes must be multiples of this many bytes (1: any). */
  partMultiple: number;
  /** Several ranges of one object at once are quicker than one stream. False for local stores. */
  parallelRanges: boolean;
  /** Listing is byte-wise ascending. */
  sortedList: boolean;
  /** Bytes come and go under TLS, which finds what is damaged on the way. */
  encrypted: boolean;
}

/** A container (bucket, file system, host) of objects. */
export interface ObjectStore {
  /** URI of the container without a trailing slash: `s3://bucket`, `file:/`, `https://host`. Key `k` is `${root}/${k}`. */
  readonly root: string;
  readonly traits: StoreTraits;
  get(key: string, options: GetOptions): Promise<GetResult>;
  head(key: string, options: CallOptions): Promise<ObjectInfo>;
  list(prefix: string, options: ListOptions): Promise<ListPage>;
  put(key: string, source: ByteSource, options: PutOptions): Promise<ObjectInfo>;
  beginUpload(key: string, options: CallOptions): Promise<MultipartUpload>;
  delete(key: string, options: CallOptions): Promise<void>;
  /** Closes connections. Idempotent. */
  close(): void;
}

/** A source of bytes that are in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    bytes,
    open() {
      let at = 0;
      return {
        read(into) {
          if (at >= bytes.length) return Promise.resolve(null);
          const count = Math.min(into.length, bytes.length - at);
          into.set(bytes.subarray(at, at + count));
          at += count;
          return Promise.resolve(count);
        },
        close() {
          at = bytes.length;
        },
      };
    },
  };
}

/**
 * Reads a body into memory and closes it.
 *
 * @param body closed in every case
 * @param maxBytes the most that is accepted
 * @param tooLarge what to throw when there is more
 */
export async function readAll(
  body: ByteReader,
  maxBytes: number,
  tooLarge: () => Error,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    let buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const count = await body.read(buffer);
      if (count === null) break;
      total += count;
      if (total > maxBytes) throw tooLarge();
      chunks.push(buffer.subarray(0, count));
      if (count > 16 * 1024) buffer = new Uint8Array(64 * 1024);
      else buffer = new Uint8Array(Math.max(16 * 1024, Math.min(64 * 1024, count * 4)));
    }
  } finally {
    body.close();
  }
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
