/**
 * A TCP proxy on the loopback interface that ends each connection after a MiB from the server, in the middle of a body.
 * @module
 */

const CUT_BYTES = 1024 * 1024;

/** The proxy; {@linkcode close} ends it and waits for its connections. */
export class CuttingProxy {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: URL;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #tasks: Promise<unknown>[] = [];

  /** @param target where the connections lead */
  constructor(target: URL) {
    this.#target = target;
    this.#tasks.push(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#tasks.push(this.#serve(client));
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: this.#target.hostname, port: Number(this.#target.port) });
    const both = [client, server];
    for (const connection of both) this.#connections.add(connection);
    await Promise.all([pump(client, server, Infinity), pump(server, client, CUT_BYTES)]);
    for (const connection of both) this.#connections.delete(connection);
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) end(connection);
    await Promise.all(this.#tasks);
  }
}

/** Moves bytes until either end is closed or the limit is reached, then closes both. */
async function pump(from: Deno.TcpConn, to: Deno.TcpConn, limit: number): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let moved = 0; moved < limit;) {
      const count = await from.read(buffer);
      if (count === null) break;
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
      moved += count;
    }
  } catch {
    // A closed connection is what this proxy is for.
  } finally {
    end(from);
    end(to);
  }
}

function end(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed by the other direction.
  }
}
