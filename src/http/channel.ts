/**
 * A connection with what HTTP needs around it: a buffer for bytes that were read too far, a bound on every wait, and one place
 * where it fails.
 *
 * A wait is bounded in ticks of the client's one timer and not by a timer of its own. Only waits on the socket count: a caller
 * that takes its time between two reads is not a stalled server.
 * @module
 */
import { cannot, CopilotError, from } from "../errors.ts";
import type { Connection } from "../system/mod.ts";
import { type Head, headEnd, MAX_HEAD_BYTES, parseHead } from "./head.ts";

/** Holds a head, a small request, or a small reply as a whole, so that those cost one system call each. */
const BUFFER_BYTES = 32 * 1024;
/** Interim replies before the real one; a server that sends more means harm. */
const MAX_INTERIM_REPLIES = 16;

/** First bytes of a TLS record: its type, and the major version (RFC 8446, section 5.1). */
const TLS_ALERT = 21;
const TLS_HANDSHAKE = 22;
const TLS_MAJOR = 3;

/** One direction of a connection that is being waited on. */
interface Wait {
  /** Ticks until it is given up; 0 while there is nothing to bound. */
  ticks: number;
  reject: ((error: CopilotError) => void) | null;
}

/** Bounds of the waits, in ticks. */
export interface ReadTimeouts {
  /** From the last byte of the request to the first of the reply. */
  headTicks: number;
  /** One read or write in the middle. */
  stallTicks: number;
}

/** One connection and the exchange on it. */
export class Channel implements EventListenerObject {
  /** Bytes that came and are not used yet are between `start` and `end`. */
  buffer: Uint8Array = new Uint8Array(BUFFER_BYTES);
  start = 0;
  end = 0;
  /** Exchanges before this one. */
  exchanges = 0;
  /** Ticks since it has been idle. */
  idleTicks = 0;
  /** Whether a byte of the reply came. */
  replyBegun = false;
  /** Whether another request can follow on it. */
  reusable = true;
  /** Why it cannot be used any more. */
  failure: CopilotError | null = null;

  readonly #connection: Connection;
  readonly #timeouts: ReadTimeouts;
  readonly #reading: Wait = { ticks: 0, reject: null };
  readonly #writing: Wait = { ticks: 0, reject: null };
  #signal: AbortSignal | null = null;
  #object = "";

  constructor(connection: Connection, timeouts: ReadTimeouts) {
    this.#connection = connection;
    this.#timeouts = timeouts;
  }

  /** Starts an exchange: from here on the signal ends it. */
  begin(object: string, signal: AbortSignal): void {
    this.#object = object;
    this.#signal = signal;
    this.replyBegun = false;
    signal.addEventListener("abort", this);
  }

  /** Ends an exchange. */
  finish(): void {
    this.#signal?.removeEventListener("abort", this);
    this.#signal = null;
    this.exchanges++;
    this.idleTicks = 0;
  }

  /** The signal of the exchange fired. */
  handleEvent(): void {
    this.fail(
      new CopilotError("aborted", {
        detail: `Request for "${this.#object}" cancelled`,
        object: this.#object,
      }),
    );
  }

  /** Closes the connection; whoever waits on it, or does so later, gets `error`. */
  fail(error: CopilotError): void {
    if (this.failure !== null) return;
    this.failure = error;
    this.#connection.close();
    // Not left to the runtime: closing a socket does not end a write that waits for the other side.
    this.#reading.reject?.(error);
    this.#writing.reject?.(error);
  }

  /** An error of this exchange; the connection is closed. */
  broken(detail: string): CopilotError {
    this.fail(
      cannot("transfer", this.#object, { network: detail }),
    );
    return this.failure!;
  }

  /** Counts a tick for the waits under way. */
  tick(): void {
    for (const wait of [this.#reading, this.#writing]) {
      if (wait.reject === null || wait.ticks === 0 || --wait.ticks > 0) continue;
      const what = wait === this.#writing
        ? "the server stopped reading"
        : this.replyBegun
        ? "the server stopped sending"
        : "the server did not answer";
      this.fail(
        cannot("transfer", this.#object, { timeout: what }),
      );
    }
  }

  /**
   * Reads from the socket, past the buffer: at least `atLeast` bytes, or what there is before the stream ends; null at its end.
   *
   * A TLS connection gives one record a read, 4 to 16 KiB, and every layer that sees each of them costs as much as decrypting it.
   */
  read(into: Uint8Array, atLeast = 1): Promise<number | null> {
    return this.#wait(this.#reading, this.#timeouts.stallTicks, () => this.#gather(into, atLeast));
  }

  async #gather(into: Uint8Array, atLeast: number): Promise<number | null> {
    const connection = this.#connection;
    let count = await connection.read(into);
    while (count !== null && count < atLeast && this.failure === null) {
      this.#reading.ticks = this.#timeouts.stallTicks;
      const more = await connection.read(into.subarray(count));
      // The end shows again at the next read.
      if (more === null) break;
      count += more;
    }
    return count;
  }

  /** Reads more into the buffer; null at the end of the stream. */
  async fill(): Promise<number | null> {
    if (this.start === this.end) this.start = this.end = 0;
    if (this.end === this.buffer.length) this.#makeRoom();
    const count = await this.read(this.buffer.subarray(this.end));
    if (count !== null) {
      this.end += count;
      if (!this.replyBegun) this.#assertPlain();
      this.replyBegun = true;
    }
    return count;
  }

  /** A server that speaks TLS answers everything else with a record of its own: an alert or a handshake. */
  #assertPlain(): void {
    const [type, version] = this.buffer.subarray(this.start, this.end);
    if ((type !== TLS_ALERT && type !== TLS_HANDSHAKE) || (version !== undefined && version !== TLS_MAJOR)) {
      return;
    }
    this.fail(
      new CopilotError("config", {
        action: "transfer",
        object: this.#object,
        detail:
          "this port speaks TLS and was spoken to in plain text, expected an address with https:// or " +
          "rediss://, or disable_ssl=false",
      }),
    );
    throw this.failure;
  }

  /** Writes all of `bytes`. A failure leaves the connection open: the reply may say what happened. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      at += await this.#wait(this.#writing, this.#timeouts.stallTicks, () => this.#connection.write(rest));
    }
  }

  /** Writes all of `bytes`; a failure closes the connection. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.send(bytes);
    } catch (thrown) {
      this.fail(thrown as CopilotError);
      throw this.failure;
    }
  }

  /** Reads a head, past interim replies. Until {@linkcode expectReply} the wait for its first byte is not bounded. */
  async readHead(): Promise<Head> {
    for (let seen = this.start, interim = 0;;) {
      const stop = seen < this.end
        ? this.checked(() => headEnd(this.buffer, this.start, seen, this.end))
        : -1;
      if (stop >= 0) {
        const head = this.checked(() => parseHead(this.buffer.subarray(this.start, stop)));
        this.start = seen = stop;
        if (head.status >= 200) return head;
        if (head.status === 101 || ++interim > MAX_INTERIM_REPLIES) {
          throw this.broken(`unexpected status ${head.status}`);
        }
        continue;
      }
      const unread = this.end - this.start;
      if (unread >= MAX_HEAD_BYTES) {
        throw this.broken(`the reply's head is larger than ${MAX_HEAD_BYTES} bytes`);
      }
      const reading = this.fill();
      if (!this.replyBegun) this.#reading.ticks = 0;
      if (await reading === null) throw this.broken("the connection was closed before the reply was there");
      seen = this.start + unread;
    }
  }

  /** The request is sent: the reply has to begin now. */
  expectReply(): void {
    if (!this.replyBegun) this.#reading.ticks = this.#timeouts.headTicks;
  }

  /** Runs a check of what the server sent; an error of it closes the connection. */
  checked<T>(parse: () => T): T {
    try {
      return parse();
    } catch (thrown) {
      throw this.broken((thrown as Error).message);
    }
  }

  #makeRoom(): void {
    const unread = this.buffer.subarray(this.start, this.end);
    if (this.start > 0) this.buffer.copyWithin(0, this.start, this.end);
    else {
      this.buffer = new Uint8Array(this.buffer.length * 2);
      this.buffer.set(unread);
    }
    this.start = 0;
    this.end = unread.length;
  }

  #wait<T>(wait: Wait, ticks: number, operation: () => Promise<T>): Promise<T> {
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      wait.ticks = ticks;
      wait.reject = reject;
      operation().then((value) => {
        wait.reject = null;
        resolve(value);
      }, (thrown) => {
        wait.reject = null;
        const error = from(thrown, { action: "transfer", object: this.#object, fallback: "network" });
        if (wait === this.#reading) this.fail(error);
        reject(this.failure ?? error);
      });
    });
  }
}
