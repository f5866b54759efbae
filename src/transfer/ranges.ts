/**
 * A large object as several ranges at once: the first reply's stream from the front, spare slots' from the back, until they
 * meet.
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";
import { combine, createHasher, type Hasher, isCrc } from "../storage/checksum.ts";
import type {
  ByteReader,
  Checksum,
  ChecksumName,
  GetResult,
  ObjectInfo,
  ObjectStore,
} from "../storage/store.ts";
import type { TransferSession } from "./session.ts";
import { lengthError, type Verification } from "../storage/verification.ts";
import { pump } from "./pump.ts";
import { digestOfFile, hashFile } from "./read_back.ts";
import type { StagedFile } from "./staging.ts";
import { StreamLimit } from "./stream_limit.ts";
import { changeOf, getPinned, hasChanged, type PinnedRange, pinOf, relation } from "../storage/version.ts";

const MIB = 1024 * 1024;

/**
 * Bytes of a range, so that a large object has many ranges per slot and a range outlasts its request's latency by far.
 *
 * @param sizeBytes the object's size
 */
export function rangeBytesFor(sizeBytes: number): number {
  return Math.min(64 * MIB, Math.max(8 * MIB, Math.ceil(sizeBytes / 128 / MIB) * MIB));
}

/** A large object on its way. */
export interface RangedJob {
  store: ObjectStore;
  /** The reply for the whole object; the caller closes its body. */
  first: GetResult;
  staged: StagedFile;
  /** URI, for errors. */
  object: string;
  verification: Verification;
  /** Makes an error of one stream that of the run, which ends the other streams. */
  named(error: unknown): unknown;
}

/** Whether ranges of an object can be told to be of the version that the first reply has. */
export function canRange(first: GetResult): boolean {
  return pinOf(first.info) !== undefined;
}

/**
 * Fetches an object in ranges. Its slot's stream works from the front; helpers in spare slots take ranges from the back.
 *
 * Ranges only save time: the front's stream has the whole object, and where a range does not come as it was asked for, it goes on
 * alone. So a server may ignore or refuse ranges and conditions, and give one file several ETags.
 *
 * @throws what failed first: the front's stream, the file, or an object that is another version now; every stream has ended then
 */
export async function fetchRanges(session: TransferSession, job: RangedJob): Promise<void> {
  await new RangedGet(session, job).run();
}

class RangedGet {
  readonly #session: TransferSession;
  readonly #job: RangedJob;
  readonly #size: number;
  readonly #rangeBytes: number;
  readonly #count: number;
  readonly #wanted: Checksum | undefined;
  readonly #hexes: (string | undefined)[] = [];
  /** A digest cannot be joined from those of ranges: it is taken over what the front's stream reads, in order. */
  #digest: Hasher | undefined;
  readonly #helpers: Promise<void>[] = [];
  readonly #streams: StreamLimit;
  /** Ends the helpers. */
  readonly #helpersEnded = new AbortController();
  /** The next range of the stream from the front, and the end of those that are still free. */
  #front = 0;
  #back: number;
  /** Bytes that helpers have written. */
  #helpedBytes = 0;
  /** The front's stream is left alone with all that it has not read yet. */
  #isAlone = false;
  /** A range's reply that bore another ETag: of another version, or of another server. */
  #doubt: ObjectInfo | undefined;
  /** What a helper has found that no other stream can mend. */
  #fatal: unknown;

  constructor(session: TransferSession, job: RangedJob) {
    const { size } = job.first.info;
    this.#session = session;
    this.#job = job;
    this.#streams = new StreamLimit(session.system.clock);
    this.#size = size;
    this.#rangeBytes = rangeBytesFor(size);
    this.#count = Math.ceil(size / this.#rangeBytes);
    this.#back = this.#count;
    this.#wanted = job.verification.wanted(job.first.info);
  }

  async run(): Promise<void> {
    this.#job.staged.file.truncate(this.#size);
    const { name } = this.#wanted ?? {};
    if (name !== undefined && !isCrc(name)) this.#digest = await createHasher(name, this.#size);
    try {
      await this.#fromFront();
    } catch (error) {
      this.#helpersEnded.abort(new CopilotError("aborted", "The object's own stream has failed"));
      await Promise.all(this.#helpers);
      throw this.#fatal ?? error;
    }
    if (this.#fatal !== undefined) throw this.#fatal;
    await this.#verify();
  }

  async #fromFront(): Promise<void> {
    const { first } = this.#job;
    const buffer = this.#session.buffers.take();
    try {
      do {
        while (this.#front < this.#back) {
          const index = this.#front++;
          this.#recruit();
          await this.#fill(first.body, index, { buffer, isHelper: false });
        }
        // The stream stays open until the last range is there: one that fails is left to it.
        await Promise.all(this.#helpers);
      } while (this.#front < this.#back && this.#fatal === undefined);
    } finally {
      this.#session.buffers.give(buffer);
    }
  }

  /** Starts as many helpers as the object may have. Many objects at once need none: all streams of the run count. */
  #recruit(): void {
    const { pool } = this.#session;
    const wanted = this.#back - this.#front;
    while (!this.#isAlone && this.#helpers.length < wanted && pool.active < this.#streams.limit) {
      const spare = this.#session.startSpare(() => this.#help());
      if (spare === null) break;
      this.#helpers.push(spare);
    }
  }

  /** Takes ranges from the back; never rejects. */
  async #help(): Promise<void> {
    const buffer = this.#session.buffers.take();
    const signal = AbortSignal.any([this.#session.signal, this.#helpersEnded.signal]);
    try {
      while (this.#front < this.#back && this.#fatal === undefined) {
        await this.#fetch(--this.#back, { buffer, signal });
      }
    } catch (thrown) {
      // At once, so that no other stream waits for a server any more.
      if (thrown === this.#fatal) this.#session.fail(this.#job.named(thrown));
      else if (!signal.aborted) this.#leaveToFront(thrown);
    } finally {
      this.#session.buffers.give(buffer);
    }
  }

  async #fetch(
    index: number,
    { buffer, signal }: { buffer: Uint8Array; signal: AbortSignal },
  ): Promise<void> {
    const { store, first, object } = this.#job;
    const start = index * this.#rangeBytes;
    const end = Math.min(this.#size, start + this.#rangeBytes);
    const get = (range: PinnedRange) => store.get(first.info.key, { ...range, signal });
    const got = await getPinned(get, first.info, { start, end });
    try {
      const found = relation(first.info, got.info);
      if (found === "changed" && got.info.size !== this.#size) {
        throw this.#fatal ??= cannot("read", object, { changed: changeOf(first.info, got.info) });
      }
      if (found === "changed") this.#doubt = got.info;
      if (found !== "same" || got.start !== start || got.length !== end - start) {
        throw cannot("read a range of", object, { unsupported: "the reply is another one" });
      }
      await this.#fill(got.body, index, { buffer, isHelper: true });
    } finally {
      got.body.close();
    }
  }

  /** Ends all helpers and takes back what they had or have done: their bytes may be of whatever the server took for a range. */
  #leaveToFront(thrown: unknown): void {
    if (this.#isAlone) return;
    this.#isAlone = true;
    this.#back = this.#count;
    this.#session.progress.bytes -= this.#helpedBytes;
    this.#helpersEnded.abort(thrown);
  }

  async #fill(
    body: ByteReader,
    index: number,
    { buffer, isHelper }: { buffer: Uint8Array; isHelper: boolean },
  ): Promise<void> {
    const start = index * this.#rangeBytes;
    const end = Math.min(this.#size, start + this.#rangeBytes);
    const name = this.#wanted?.name;
    const inOrder = isHelper ? null : this.#digest ?? null;
    const hasher = name !== undefined && isCrc(name) ? await createHasher(name) : inOrder;
    const write = (bytes: Uint8Array, offset: number) => this.#write(bytes, { offset, isHelper });
    const reached = await pump(this.#session, body, { start, end, buffer, hasher, write });
    if (reached !== end) throw lengthError(this.#job.object, reached, this.#size);
    if (hasher !== this.#digest && (!isHelper || !this.#isAlone)) this.#hexes[index] = hasher?.hex();
  }

  #write(bytes: Uint8Array, { offset, isHelper }: { offset: number; isHelper: boolean }): void {
    // What was on its way when the helpers were ended must not come over what the front has written since.
    if (isHelper && this.#helpersEnded.signal.aborted) {
      throw cannot("read a range of", this.#job.object, { aborted: "cancelled" });
    }
    const { file } = this.#job.staged;
    try {
      file.seek(offset);
      file.write(bytes);
    } catch (error) {
      throw isHelper ? this.#fatal ??= error : error;
    }
    if (isHelper) this.#helpedBytes += bytes.length;
    if (this.#streams.came(bytes.length)) this.#recruit();
  }

  async #verify(): Promise<void> {
    const { first: { info }, staged, verification } = this.#job;
    if (this.#wanted === undefined) return await this.#assertUnchanged();
    const { file } = staged;
    const digest = (name: ChecksumName) => digestOfFile(this.#session, file, name);
    if (this.#digest !== undefined) {
      await hashFile(this.#session, file, { hasher: this.#digest, from: this.#front * this.#rangeBytes });
    }
    await verification.check({ info, hex: this.#digest?.hex() ?? this.#combined(this.#wanted), digest });
  }

  /** Without a checksum a change of the object in the middle of the front's stream would go unseen. */
  async #assertUnchanged(): Promise<void> {
    const { store, first: { info }, object } = this.#job;
    if (this.#doubt === undefined) return;
    const { signal } = this.#session;
    if (!await hasChanged(() => store.head(info.key, { signal }), info)) return;
    throw cannot("read", object, { changed: changeOf(info, this.#doubt) });
  }

  #combined({ name }: Checksum): string {
    let hex = this.#hexes[0]!;
    for (let index = 1; index < this.#count; index++) {
      const length = Math.min(this.#size - index * this.#rangeBytes, this.#rangeBytes);
      hex = combine(name, hex, this.#hexes[index]!, length);
    }
    return hex;
  }
}
