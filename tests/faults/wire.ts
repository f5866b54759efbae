/**
 * One side of a TCP connection as the fault proxy needs it: heads read without reading past them when a reset must follow, and
 * everything else in pieces.
 * @module
 */

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const PIECE_BYTES = 64 * 1024;

/** A head: its first line, and its fields with their names in lower case. */
export interface Head {
  line: string;
  fields: [string, string][];
}

/** The value of a field. @param name in lower case */
export function field(head: Head, name: string): string | undefined {
  return head.fields.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** A head with a field set to another value. @param name in lower case */
export function withField(head: Head, name: string, value: string): Head {
  const others = head.fields.filter(([key]) => key.toLowerCase() !== name);
  return { line: head.line, fields: [...others, [name, value]] };
}

/** A head as bytes. */
export function headBytes({ line, fields }: Head): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
}

/** A connection. */
export class Wire {
  readonly #conn: Deno.TcpConn;
  #ahead: Uint8Array = new Uint8Array(0);

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    conn.setNoDelay(true);
  }

  /** The first line of a message; null at the end of the stream. Much of what follows stays unread in the system. */
  async firstLine(): Promise<string | null> {
    for (let text = decoder.decode(this.#ahead);;) {
      const end = text.indexOf("\r\n");
      if (end >= 0) return text.slice(0, end);
      const more = await this.#receive(new Uint8Array(64));
      if (more === null) return null;
      this.#ahead = joined(this.#ahead, more);
      text = decoder.decode(this.#ahead);
    }
  }

  /**
   * The rest of the head.
   *
   * @param options.leaveLast leaves the last byte unread, so that closing the connection resets it
   */
  async head({ leaveLast }: { leaveLast: boolean }): Promise<Head> {
    const end = leaveLast ? "\r\n\r" : "\r\n\r\n";
    for (;;) {
      const text = decoder.decode(this.#ahead);
      const at = text.indexOf(end);
      if (at >= 0) {
        const [line, ...lines] = text.slice(0, at).split("\r\n");
        this.#ahead = this.#ahead.slice(encoder.encode(text.slice(0, at + end.length)).length);
        const fields = lines.map((field): [string, string] => {
          const colon = field.indexOf(":");
          return [field.slice(0, colon), field.slice(colon + 1).trim()];
        });
        return { line: line!, fields };
      }
      const more = await this.#receive(new Uint8Array(leaveLast ? 1 : PIECE_BYTES));
      if (more === null) throw new Error("the stream ended within a head");
      this.#ahead = joined(this.#ahead, more);
    }
  }

  /** Some bytes, at most `limit`; null at the end. */
  async some(limit: number): Promise<Uint8Array | null> {
    if (this.#ahead.length > 0) {
      const piece = this.#ahead.subarray(0, limit);
      this.#ahead = this.#ahead.slice(piece.length);
      return piece;
    }
    return await this.#receive(new Uint8Array(Math.min(limit, PIECE_BYTES)));
  }

  /** A body in pieces, each with its offset. @param length bytes */
  async *body(length: number): AsyncGenerator<{ at: number; piece: Uint8Array }> {
    for (let at = 0; at < length;) {
      const piece = await this.some(length - at);
      if (piece === null) throw new Error(`the stream ended ${length - at} bytes early`);
      yield { at, piece };
      at += piece.length;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Closes; with bytes of the other side unread in the system that is a reset. Idempotent. */
  close(): void {
    try {
      this.#conn.close();
    } catch { /* closed already */ }
  }

  async #receive(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array | null> {
    const count = await this.#conn.read(into);
    return count === null ? null : into.subarray(0, count);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
