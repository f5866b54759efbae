/**
 * A body that goes on where it broke, by asking for the rest of the same version.
 * @module
 */
import { CopilotError, from } from "../errors.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { ByteReader, GetResult } from "./store.ts";
import { changeOf, getPinned, type PinnedRange, pinOf, relation } from "./version.ts";

const SKIP_BYTES = 64 * 1024;

/** What decides on a further attempt: waits for it, or throws the final error. */
export interface RetryGate {
  /** Something has come. */
  progressed(): void;
  waitOrThrow(thrown: unknown): Promise<void>;
}

/** A read under way. */
export interface ResumableRead {
  /** The reply that began it; its body belongs to the resumed one from then on. */
  first: GetResult;
  /** The object's URI as it is. */
  uri: string;
  attempts: RetryGate;
}

/**
 * A body that broke and cannot be resumed, because nothing proves that what would come is of the same version. Reading the object
 * again from its start can help.
 */
export class NotResumable extends CopilotError {}

/** Reads a body to its end over as many replies as it takes. */
export class ResumedBody implements ByteReader {
  readonly #read: ResumableRead;
  readonly #get: (range: PinnedRange) => Promise<GetResult>;
  readonly #end: number;
  #at: number;
  /** Null after a failure, until the rest has been asked for. */
  #body: ByteReader | null;
  /** What the body that was read last broke with. */
  #broke: unknown;
  #closed = false;

  /** @param get asks for a range of the object once */
  constructor(read: ResumableRead, get: (range: PinnedRange) => Promise<GetResult>) {
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
        if (this.#closed || thrown instanceof NotResumable) throw thrown;
        this.#broke = thrown;
        if (
          pinOf(this.#read.first.info) === undefined && thrown instanceof CopilotError && thrown.retryable
        ) {
          throw this.#notResumable(
            "the server gives no strong ETag, which alone would prove that the rest fits",
          );
        }
        await this.#read.attempts.waitOrThrow(thrown);
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
    const got = await this.#ask();
    try {
      this.#assertFits(got);
      await this.#skip(got.body, this.#at - got.start);
    } catch (error) {
      got.body.close();
      throw error;
    }
    // Closed while the reply was on its way.
    if (this.#closed) got.body.close();
    return got.body;
  }

  async #ask(): Promise<GetResult> {
    try {
      return await getPinned(this.#get, this.#read.first.info, { start: this.#at, end: this.#end });
    } catch (thrown) {
      const isOther = thrown instanceof CopilotError && thrown.code === "unsupported";
      throw isOther ? this.#notResumable(thrown.fault.detail) : thrown;
    }
  }

  #assertFits(got: GetResult): void {
    const { info } = this.#read.first;
    switch (relation(info, got.info)) {
      case "changed":
        throw this.#error("changed", changeOf(info, got.info));
      case "unproven":
        throw this.#notResumable(`the ETag is ${got.info.etag ?? "missing"} now, it was ${info.etag}`);
    }
    const isPast = got.start + got.length <= this.#at;
    if (isPast || (got.start !== this.#at && got.start !== 0)) {
      throw this.#notResumable(
        `asked for bytes ${this.#at}-${
          this.#end - 1
        }, the server gives ${got.length} from byte ${got.start} on`,
      );
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

  #notResumable(why: string): NotResumable {
    const broke = from(this.#broke, {}).fault.detail;
    return new NotResumable("network", {
      action: "read",
      object: shownUri(this.#read.uri),
      detail: `it broke and cannot be resumed, ${why}: ${broke}`,
      cause: this.#broke,
    });
  }

  #error(code: "network" | "changed", why: string): CopilotError {
    return new CopilotError(code, { action: "read", object: shownUri(this.#read.uri), detail: why });
  }

  close(): void {
    this.#closed = true;
    this.#body?.close();
  }
}
