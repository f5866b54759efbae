/**
 * A TCP proxy on the loopback interface that can hold an upload back and knows when the first connection came.
 * @module
 */

/** Bytes of a step; a held upload stops within one. */
const STEP_BYTES = 64 * 1024;

/** The proxy. `await using` ends it. */
export class Throttle implements AsyncDisposable {
  /** Bytes that clients may still send; Infinity for no bound. */
  #left: number;
  /** When the first connection came, in ms of Unix time; null before. */
  firstConnectionMs: number | null = null;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: URL;
  readonly #spares: number;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #tasks: Promise<unknown>[] = [];
  #wake = Promise.withResolvers<void>();
  readonly #full = Promise.withResolvers<void>();

  /**
   * @param target where the connections lead
   * @param options.holdAfter bytes that clients may send before they are held
   * @param options.spares requests of up to so many bytes pass all the same
   */
  constructor(target: string, { holdAfter = Infinity, spares = 0 } = {}) {
    this.#target = new URL(target);
    this.#left = holdAfter;
    this.#spares = spares;
    this.#tasks.push(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Resolves when clients have sent all that they may. */
  get held(): Promise<void> {
    return this.#full.promise;
  }

  /** Lets everything through from now on. */
  release(): void {
    this.#left = Infinity;
    this.#wake.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.release();
    for (const connection of this.#connections) end(connection);
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.firstConnectionMs ??= Date.now();
      this.#tasks.push(this.#serve(client));
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: this.#target.hostname, port: Number(this.#target.port) });
    const both = [client, server];
    for (const connection of both) this.#connections.add(connection);
    await Promise.all([
      pump(client, server, (count) => this.#pass(count)),
      pump(server, client, () => Promise.resolve()),
    ]);
    for (const connection of both) this.#connections.delete(connection);
  }

  async #pass(count: number): Promise<void> {
    while (this.#left < count && count > this.#spares) {
      this.#full.resolve();
      await this.#wake.promise;
    }
    this.#left = Math.max(0, this.#left - count);
  }
}

/** Moves bytes until either end is closed, then closes both. */
async function pump(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  pass: (count: number) => Promise<void>,
): Promise<void> {
  const buffer = new Uint8Array(STEP_BYTES);
  try {
    for (let count; (count = await from.read(buffer)) !== null;) {
      await pass(count);
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
    }
  } catch {
    // The other end was closed, or killed.
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
