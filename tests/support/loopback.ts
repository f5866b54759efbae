/**
 * A real HTTP server on the loopback interface that answers with canned bytes, one reply after the other, and keeps what it
 * was asked. What a well-behaved server library would refuse to send, it sends.
 * @module
 */

/** A request as it came. */
export interface SeenRequest {
  method: string;
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** As sent: chunked framing of S3 included. */
  body: Uint8Array;
  /** Which connection it came on, from 0. */
  connection: number;
}

/** A reply to one request. */
export interface Canned {
  /** Written as it is, in pieces that each go out by themselves. */
  raw: (string | Uint8Array)[];
  /** Close the connection afterwards. */
  close?: boolean;
  /** Answer before the request's body is read, and never read it. */
  beforeBody?: boolean;
  /** Write nothing more and keep the connection until the server closes. */
  hang?: boolean;
  /** Runs when the request is there and before anything is written. */
  before?: () => void | Promise<void>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A reply with a status, headers and a body of a known length. */
export function reply(
  status: number,
  headers: Record<string, string> = {},
  body: string | Uint8Array = "",
): Canned {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const lines = Object.entries({ "Content-Length": String(bytes.length), ...headers });
  const head = `HTTP/1.1 ${status} Canned\r\n${
    lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }\r\n`;
  return { raw: [head, bytes] };
}

/** The server. `using` or {@linkcode close} ends it. */
export class Loopback {
  readonly requests: SeenRequest[] = [];
  /** Connections that were opened. */
  connections = 0;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #queue: Canned[];
  readonly #tasks: Promise<void>[] = [];
  readonly #closed = Promise.withResolvers<void>();

  constructor(...replies: Canned[]) {
    this.#queue = replies;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#tasks.push(this.#accept());
  }

  /** `http://127.0.0.1:PORT`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Adds replies to the queue. */
  add(...replies: Canned[]): void {
    this.#queue.push(...replies);
  }

  /** Closes connections that are open, as an impatient server does, and goes on listening. */
  closeConnections(): void {
    for (const conn of this.#open) quietly(() => conn.close());
    this.#open.clear();
  }

  async close(): Promise<void> {
    quietly(() => this.#listener.close());
    this.#closed.resolve();
    this.closeConnections();
    await Promise.all(this.#tasks);
    // A write of the other side that waited for this one ends a turn of the event loop later.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.#open.add(conn);
        this.#tasks.push(this.#serve(conn, this.connections++));
      }
    } catch { /* closed */ }
  }

  async #serve(conn: Deno.TcpConn, connection: number): Promise<void> {
    try {
      for (let rest = new Uint8Array(0);;) {
        const got = await this.#receive(conn, rest, connection);
        if (got === null) break;
        rest = got.rest;
        if (!await this.#answer(conn, got.canned)) break;
      }
    } catch { /* the other side went away */ }
    this.#open.delete(conn);
    quietly(() => conn.close());
  }

  async #receive(conn: Deno.TcpConn, rest: Uint8Array<ArrayBuffer>, connection: number) {
    let bytes = rest;
    for (let end = -1;;) {
      end = decoder.decode(bytes).indexOf("\r\n\r\n");
      if (end >= 0) break;
      const more = await receive(conn);
      if (more === null) return null;
      bytes = joined(bytes, more);
    }
    const head = decoder.decode(bytes).split("\r\n\r\n", 1)[0]!;
    const at = encoder.encode(head).length + 4;
    const [line, ...lines] = head.split("\r\n");
    const [method, path] = line!.split(" ");
    const headers = Object.fromEntries(
      lines.map((
        text,
      ) => [text.slice(0, text.indexOf(":")).toLowerCase(), text.slice(text.indexOf(":") + 1).trim()]),
    );
    const request = { method: method!, path: path!, headers, body: new Uint8Array(0), connection };
    this.requests.push(request);
    const canned = this.#queue.shift() ?? reply(500, {}, "No canned reply is left");
    if (canned.beforeBody) return { canned, rest: new Uint8Array(0) };
    const length = Number(headers["content-length"] ?? 0);
    while (bytes.length < at + length) {
      const more = await receive(conn);
      if (more === null) return null;
      bytes = joined(bytes, more);
    }
    request.body = bytes.slice(at, at + length);
    return { canned, rest: bytes.slice(at + length) };
  }

  async #answer(conn: Deno.TcpConn, canned: Canned): Promise<boolean> {
    await canned.before?.();
    for (const piece of canned.raw) {
      const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
      // Lets the piece arrive by itself.
      if (canned.raw.length > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (canned.close) return false;
    if (canned.hang || canned.beforeBody) await this.#closed.promise;
    return true;
  }
}

async function receive(conn: Deno.TcpConn): Promise<Uint8Array | null> {
  const buffer = new Uint8Array(64 * 1024);
  const count = await conn.read(buffer);
  return count === null ? null : buffer.subarray(0, count);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function quietly(close: () => void): void {
  try {
    close();
  } catch { /* closed already */ }
}
