/**
 * A body that goes on where it broke, by asking for the rest of the same version.
 * @module
 */
import { CopilotError } from "../errors.ts";
import type { ByteReader, GetOptions, GetResult } from "./store.ts";

const SKIP_BYTES = 64 * 1024;

/** What decides on a further attempt: waits for it, or throws the final error. */
export interface Patience {
  /** Something has come. */
  progressed(): void;
  failed(thrown: unknown): Promise<void>;
}

/** A read under way. */
export interface ResumableRead {
  /** The reply that began it; its body belongs to the resumed one from then on. */
  first: GetResult;
  /** URI, for errors. */
  object: string;
  attempts: Patience;
}

type Range = Pick<GetOptions, "start" | "end" | "ifMatch">;

/** Reads a body to its end over as many replies as it takes. */
export class ResumedBody implements ByteReader {
  readonly #read: ResumableRead;
  readonly #get: (range: Range) => Promise<GetResult>;
  readonly #end: number;
  #at: number;
  /** Null after a failure, until the rest has been asked for. */
  #body: ByteReader | null;
  #closed = false;

  /** @param get asks for a range of the object once */
  constructor(read: ResumableRead, get: (range: Range) => Promise<GetResult>) {
    this.#read = read;
    this.#get = get;
    this.#at = read.first.start;
    this.#end = read.first.start + read.first.length;
    this.#body = read.first.body;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (!this.#closed) {
      try {
        this.#body ??= await this.#rest();
        return await this.#next(this.#body, into);
      } catch (thrown) {
        this.#body?.close();
        this.#body = null;
        if (this.#closed) throw thrown;
        await this.#read.attempts.failed(thrown);
      }
    }
    return null;
  }

  async #next(body: ByteReader, into: Uint8Array): Promise<number | null> {
    const left = this.#end - this.#at;
    if (left === 0) {
      // The end must be seen, or the connection is not free; that all bytes have come stands whatever it says.
      await body.read(into).catch(() => null);
      this.close();
      return null;
    }
    const count = await body.read(into.length > left ? into.subarray(0, left) : into);
    if (count === null) throw this.#error("network", `the body ended ${left} bytes early`);
    this.#at += count;
    this.#read.attempts.progressed();
    return count;
  }

  /** A body whose next byte is the one that is wanted. */
  async #rest(): Promise<ByteReader> {
    const { etag } = this.#read.first.info;
    // If-Match compares strongly, so a weak ETag never matches: it is compared here.
    const pin = etag === undefined || etag.startsWith("W/") ? {} : { ifMatch: etag };
    const got = await this.#get({ start: this.#at, end: this.#end, ...pin });
    try {
      this.#assertSame(got);
      await this.#skip(got.body, this.#at - got.start);
    } catch (error) {
      got.body.close();
      throw error;
    }
    // Closed while the reply was on its way.
    if (this.#closed) got.body.close();
    return got.body;
  }

  #assertSame(got: GetResult): void {
    const { info } = this.#read.first;
    if (got.info.size !== info.size || (info.etag ?? got.info.etag) !== (got.info.etag ?? info.etag)) {
      throw this.#error("changed", "it changed while it was read");
    }
    if (got.start !== this.#at && got.start !== 0) {
      throw this.#error("integrity", `the reply begins at byte ${got.start}, expected ${this.#at}`);
    }
  }

  /** Reads past what has come already, where a store ignores ranges. */
  async #skip(body: ByteReader, bytes: number): Promise<void> {
    if (bytes === 0) return;
    const waste = new Uint8Array(Math.min(SKIP_BYTES, bytes));
    for (let left = bytes; left > 0;) {
      const count = await body.read(left < waste.length ? waste.subarray(0, left) : waste);
      if (count === null) throw this.#error("network", "the body ended early");
      left -= count;
    }
  }

  #error(code: "network" | "changed" | "integrity", why: string): CopilotError {
    const { object } = this.#read;
    return new CopilotError(code, { action: "read", object, detail: why });
  }

  close(): void {
    this.#closed = true;
    this.#body?.close();
  }
}
