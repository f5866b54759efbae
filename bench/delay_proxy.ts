/**
 * A TCP proxy that makes a local server as far away as an object store: a delay each way, and a bound on each connection's
 * rate. In user space, because not every kernel has netem; it takes CPU that all contestants share alike.
 * @module
 */

/** How far away the server is. */
export interface Distance {
  /** Milliseconds each way. */
  delayMs: number;
  /** Bytes per second of one connection in one direction. */
  bytesPerSecond: number;
}

interface Chunk {
  bytes: Uint8Array;
  dueMs: number;
}

const READ_BYTES = 64 * 1024;
/** Bytes on their way in one direction before the sender has to wait; a few times rate times delay. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** Moves one direction: reads at once, writes when it is due. */
async function carry(from: Deno.TcpConn, to: Deno.TcpConn, distance: Distance, handshakeMs: number) {
  const { delayMs, bytesPerSecond } = distance;
  const queue: Chunk[] = [];
  let held = 0;
  let ended = false;
  let wakeReader = () => {};
  let wakeWriter = () => {};
  const read = async () => {
    let freeMs = performance.now() + handshakeMs;
    try {
      for (;;) {
        const buffer = new Uint8Array(READ_BYTES);
        const count = await from.read(buffer);
        if (count === null) break;
        freeMs = Math.max(freeMs, performance.now()) + count * 1000 / bytesPerSecond;
        queue.push({ bytes: buffer.subarray(0, count), dueMs: freeMs + delayMs });
        held += count;
        wakeWriter();
        while (held > WINDOW_BYTES) await new Promise<void>((resolve) => wakeReader = resolve);
      }
    } catch { /* the other side is gone */ }
    ended = true;
    wakeWriter();
  };
  const write = async () => {
    for (;;) {
      const chunk = queue.shift();
      if (chunk === undefined) {
        if (ended) break;
        await new Promise<void>((resolve) => wakeWriter = resolve);
        continue;
      }
      const waitMs = chunk.dueMs - performance.now();
      if (waitMs > 0.5) await new Promise((resolve) => setTimeout(resolve, waitMs));
      for (let at = 0; at < chunk.bytes.length;) at += await to.write(chunk.bytes.subarray(at));
      held -= chunk.bytes.length;
      wakeReader();
    }
    await to.closeWrite().catch(() => {});
  };
  await Promise.allSettled([read(), write()]);
}

/** Starts a proxy on a free port. @returns the port and what ends it */
export function startDelayProxy(port: number, distance: Distance): { port: number; close(): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (client: Deno.TcpConn) => {
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      client.setNoDelay(true);
      server.setNoDelay(true);
      // A connection takes a round trip to open; here it is paid with its first bytes.
      await Promise.all([
        carry(client, server, distance, 2 * distance.delayMs),
        carry(server, client, distance, 0),
      ]);
      server.close();
    } catch { /* the server is gone */ }
    try {
      client.close();
    } catch { /* closed */ }
  };
  (async () => {
    for await (const client of listener) serve(client);
  })().catch(() => {});
  return { port: (listener.addr as Deno.NetAddr).port, close: () => listener.close() };
}

if (import.meta.main) {
  const [port, delayMs, megabytes] = Deno.args.map(Number);
  const proxy = startDelayProxy(port!, { delayMs: delayMs!, bytesPerSecond: megabytes! * 1e6 });
  await Deno.stdout.write(new TextEncoder().encode(`${proxy.port}\n`));
}
