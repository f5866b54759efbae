/**
 * An HTTP/1.1 proxy in front of a store that injects faults as a plan says: on the wire, where real ones happen.
 *
 * Requests are forwarded as they are, so their signatures stand. Bodies need a Content-Length, which all clients of S3 give.
 * @module
 */
import type { Asked, Fault, Plan } from "./fault.ts";
import { field, type Head, headBytes, Wire, withField } from "./wire.ts";

const encoder = new TextEncoder();
const TICKS_PER_SECOND = 20;

/** What the proxy did to a request. */
export interface Injected {
  asked: Asked;
  fault: Fault;
}

/** The proxy. `await using` or {@linkcode close} ends it. */
export class FaultProxy {
  /** Requests that came, and the faults that they met. */
  requests = 0;
  readonly injected: Injected[] = [];
  /** Replaceable while it runs. */
  plan: Plan;
  readonly #upstream: URL;
  readonly #listener: Deno.TcpListener;
  readonly #wires = new Set<Wire>();
  readonly #asked = new Map<string, number>();
  readonly #tasks: Promise<void>[] = [];
  readonly #closed = Promise.withResolvers<void>();

  /** @param upstream URL of the store, plain HTTP */
  constructor(upstream: string, plan: Plan = () => null) {
    this.#upstream = new URL(upstream);
    this.plan = plan;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#tasks.push(this.#accept());
  }

  /** `http://127.0.0.1:PORT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  /** Ends everything and waits for it. */
  async close(): Promise<void> {
    this.#listener.close();
    this.#closed.resolve();
    for (const wire of this.#wires) wire.close();
    await Promise.all(this.#tasks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) void this.#tasks.push(this.#serve(this.#wire(conn)));
    } catch { /* closed */ }
  }

  #wire(conn: Deno.TcpConn): Wire {
    const wire = new Wire(conn);
    this.#wires.add(wire);
    return wire;
  }

  #end(wire: Wire | null): void {
    if (wire === null) return;
    wire.close();
    this.#wires.delete(wire);
  }

  async #serve(client: Wire): Promise<void> {
    let store: Wire | null = null;
    try {
      for (;;) {
        const line = await client.firstLine();
        if (line === null) break;
        const asked = this.#identify(line);
        const fault = this.plan(asked);
        if (fault !== null) this.injected.push({ asked, fault });
        if (fault?.kind === "reset") break;
        store ??= await this.#connect();
        if (!await this.#exchange(client, store, fault)) break;
      }
    } catch { /* one of the sides went away */ }
    this.#end(client);
    this.#end(store);
  }

  #identify(line: string): Asked {
    const [method = "", target = ""] = line.split(" ");
    const id = `${method} ${target}`;
    const nth = this.#asked.get(id) ?? 0;
    this.#asked.set(id, nth + 1);
    this.requests++;
    return { method, target, nth };
  }

  async #connect(): Promise<Wire> {
    const { hostname, port } = this.#upstream;
    return this.#wire(await Deno.connect({ hostname, port: Number(port) }));
  }

  /** One request and its reply; false where the connection is not to be used again. */
  async #exchange(client: Wire, store: Wire, fault: Fault | null): Promise<boolean> {
    const leaveLast = fault?.kind === "reset-mid" || fault?.kind === "lost-reply";
    const head = await client.head({ leaveLast });
    const length = Number(field(head, "content-length") ?? 0);
    if (fault?.kind === "status" || fault?.kind === "late-error") {
      for await (const _ of client.body(length));
      await new Promise((resolve) => setTimeout(resolve, "delayMs" in fault ? fault.delayMs : 0));
      await client.write(cannedReply(fault));
      return true;
    }
    if (fault?.kind === "meanwhile") await fault.act();
    await store.write(headBytes(head));
    // The byte that was left is the head's last; a request with a body goes without a reset then.
    if (leaveLast && length > 0) await client.some(1);
    const wrongAt = fault?.kind === "corrupt-upload" ? Math.floor(fault.at * length) : -1;
    for await (const { at, piece } of client.body(length)) {
      damage(piece, wrongAt - at);
      await store.write(piece);
    }
    const reply = await store.head({ leaveLast: false });
    if (fault?.kind === "lost-reply") return false;
    if (fault?.kind === "silence") await this.#closed.promise;
    return await this.#reply(client, { store, reply, fault, method: head.line.split(" ")[0]! });
  }

  async #reply(
    client: Wire,
    { store, reply, fault, method }: { store: Wire; reply: Head; fault: Fault | null; method: string },
  ): Promise<boolean> {
    const status = reply.line.split(" ")[1] ?? "";
    const length = method === "HEAD" || ["204", "304"].includes(status) ? 0 : lengthOf(reply);
    if (length > 0 && fault?.kind === "wrong-range") {
      const shifted = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(field(reply, "content-range") ?? "");
      if (shifted !== null) {
        const range = `bytes ${Number(shifted[1]) + 1}-${Number(shifted[2]) + 1}/${Number(shifted[3]) + 1}`;
        reply = withField(reply, "content-range", range);
      }
    }
    await client.write(headBytes(reply));
    const place = fault !== null && "at" in fault ? Math.floor(fault.at * length) : -1;
    const isCut = fault?.kind === "truncate" || fault?.kind === "reset-mid" || fault?.kind === "stall";
    for await (const { at, piece } of store.body(length)) {
      if (isCut && at + piece.length > place) {
        await client.write(piece.subarray(0, place - at));
        if (fault.kind === "stall") await this.#closed.promise;
        return false;
      }
      if (fault?.kind === "corrupt") damage(piece, place - at);
      if (fault?.kind === "slow") await drip(client, piece, fault.bytesPerSecond);
      else await client.write(piece);
    }
    // A byte of the head may be left unread, so nothing can follow on this connection.
    if (fault?.kind === "reset-mid") return false;
    return field(reply, "connection")?.toLowerCase() !== "close";
  }
}

/** The length of a reply's body. Stores give it, but for what the tests never ask for. */
function lengthOf(reply: Head): number {
  const length = field(reply, "content-length");
  if (length === undefined) throw new Error(`no Content-Length in ${reply.line}`);
  return Number(length);
}

function damage(piece: Uint8Array, at: number): void {
  if (at >= 0 && at < piece.length) piece[at] = piece[at]! ^ 0x55;
}

async function drip(client: Wire, piece: Uint8Array, bytesPerSecond: number): Promise<void> {
  const step = Math.max(1, Math.floor(bytesPerSecond / TICKS_PER_SECOND));
  for (let at = 0; at < piece.length; at += step) {
    await client.write(piece.subarray(at, at + step));
    await new Promise((resolve) => setTimeout(resolve, 1000 / TICKS_PER_SECOND));
  }
}

function cannedReply(fault: Extract<Fault, { kind: "status" | "late-error" }>): Uint8Array {
  const { status, code, retryAfterS } = fault.kind === "status"
    ? fault
    : { status: 200, code: "InternalError", retryAfterS: undefined };
  const body = code === ""
    ? "<html>injected</html>"
    : `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>Injected</Message></Error>`;
  const retry = retryAfterS === undefined ? "" : `Retry-After: ${retryAfterS}\r\n`;
  return encoder.encode(
    `HTTP/1.1 ${status} Injected\r\nContent-Type: application/xml\r\n${retry}Content-Length: ${
      encoder.encode(body).length
    }\r\n\r\n${body}`,
  );
}
