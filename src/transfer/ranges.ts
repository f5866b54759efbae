/**
 * A large object as several ranges at once: the first reply's stream from the front, spare slots' from the back, until they
 * meet.
 * @module
 */
import { cannot } from "../errors.ts";
import { combine, createHasher, isCrc } from "../storage/checksum.ts";
import type { ByteReader, Checksum, ChecksumName, GetResult, ObjectStore } from "../storage/store.ts";
import type { Engine } from "./session.ts";
import { lengthError, type Verification } from "../storage/verification.ts";
import { pump } from "./pump.ts";
import { digestOfFile } from "./read_back.ts";
import type { StagedFile } from "./staging.ts";

const MIB = 1024 * 1024;
/** Streams besides the first: at 60 MB/s each, what stores give a connection, sixteen fill ten gigabits. More cost memory only. */
const MAX_HELPERS = 15;

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

/**
 * Fetches an object in ranges. Its slot's stream works from the front; helpers in spare slots take ranges from the back.
 *
 * @throws what failed first; every stream has ended then
 */
export async function fetchRanges(engine: Engine, job: RangedJob): Promise<void> {
  await new RangedGet(engine, job).run();
}

class RangedGet {
  readonly #engine: Engine;
  readonly #job: RangedJob;
  readonly #size: number;
  readonly #rangeBytes: number;
  readonly #count: number;
  readonly #wanted: Checksum | undefined;
  readonly #hexes: (string | undefined)[] = [];
  readonly #helpers: Promise<void>[] = [];
  /** The next range of the stream from the front, and the end of those that are still free. */
  #front = 0;
  #back: number;
  /** Whether the store has answered with a range, or with the whole object instead. */
  #givesRanges: boolean | undefined;
  #failure: { error: unknown } | undefined;

  constructor(engine: Engine, job: RangedJob) {
    const { size } = job.first.info;
    this.#engine = engine;
    this.#job = job;
    this.#size = size;
    this.#rangeBytes = rangeBytesFor(size);
    this.#count = Math.ceil(size / this.#rangeBytes);
    this.#back = this.#count;
    this.#wanted = job.verification.wanted(job.first.info);
  }

  async run(): Promise<void> {
    this.#job.staged.file.truncate(this.#size);
    await this.#guarded(() => this.#fromFront());
    await Promise.all(this.#helpers);
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#verify();
  }

  /** Runs a stream; its error ends all others at once. */
  async #guarded(stream: () => Promise<void>): Promise<void> {
    try {
      await stream();
    } catch (error) {
      this.#failure ??= { error };
      this.#engine.fail(this.#job.named(error));
    }
  }

  async #fromFront(): Promise<void> {
    const { first } = this.#job;
    const buffer = this.#engine.buffers.take();
    try {
      do {
        while (this.#front < this.#back) {
          const index = this.#front++;
          this.#recruit();
          await this.#fill(first.body, index, buffer);
        }
        if (this.#givesRanges) first.body.close();
        await Promise.all(this.#helpers);
        // A store that ignores ranges shows only in its replies: everything is left to this stream then.
      } while (this.#front < this.#back && this.#failure === undefined);
    } finally {
      this.#engine.buffers.give(buffer);
    }
  }

  #recruit(): void {
    const wanted = Math.min(MAX_HELPERS, this.#back - this.#front);
    while (this.#givesRanges !== false && this.#helpers.length < wanted) {
      const spare = this.#engine.startSpare(() => this.#guarded(() => this.#fromBack()));
      if (spare === null) break;
      this.#helpers.push(spare);
    }
  }

  async #fromBack(): Promise<void> {
    const buffer = this.#engine.buffers.take();
    try {
      while (this.#front < this.#back && this.#givesRanges !== false) {
        const index = --this.#back;
        const got = await this.#get(index);
        try {
          if (this.#isRange(got, index)) await this.#fill(got.body, index, buffer);
        } finally {
          got.body.close();
        }
      }
    } finally {
      this.#engine.buffers.give(buffer);
    }
  }

  async #get(index: number): Promise<GetResult> {
    const { store, first, object } = this.#job;
    const { key, etag } = first.info;
    const start = index * this.#rangeBytes;
    const end = Math.min(this.#size, start + this.#rangeBytes);
    // If-Match compares strongly, so a weak ETag never matches: it is compared here.
    const pin = etag === undefined || etag.startsWith("W/") ? {} : { ifMatch: etag };
    const got = await store.get(key, { start, end, signal: this.#engine.signal, ...pin });
    if (got.info.size === this.#size && (got.info.etag ?? etag) === (etag ?? got.info.etag)) return got;
    got.body.close();
    throw cannot("read", object, { changed: "it changed while it was being read" });
  }

  /** Whether a reply is the range that was asked for; if not, the ranges of all helpers are left to the front. */
  #isRange(got: GetResult, index: number): boolean {
    const start = index * this.#rangeBytes;
    if (got.start === start) return this.#givesRanges = true;
    if (got.start !== 0 || this.#givesRanges) {
      const { object } = this.#job;
      throw cannot("read", object, { integrity: `the reply begins at byte ${got.start}, expected ${start}` });
    }
    this.#back = this.#count;
    return this.#givesRanges = false;
  }

  async #fill(body: ByteReader, index: number, buffer: Uint8Array): Promise<void> {
    const { file } = this.#job.staged;
    const start = index * this.#rangeBytes;
    const end = Math.min(this.#size, start + this.#rangeBytes);
    const name = this.#wanted?.name;
    const hasher = name !== undefined && isCrc(name) ? await createHasher(name) : null;
    const write = (bytes: Uint8Array, offset: number) => {
      file.seek(offset);
      file.write(bytes);
    };
    const reached = await pump(this.#engine, body, { start, end, buffer, hasher, write });
    if (reached !== end) throw lengthError(this.#job.object, reached, this.#size);
    this.#hexes[index] = hasher?.hex();
  }

  async #verify(): Promise<void> {
    const { first: { info }, staged, verification } = this.#job;
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    // Digests cannot be joined.
    const digest = (name: ChecksumName) => digestOfFile(this.#engine, staged.file, name);
    const hex = isCrc(wanted.name) ? this.#combined(wanted) : await digest(wanted.name);
    await verification.check({ info, hex, digest });
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
