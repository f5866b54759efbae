/** TLS spoken to a port without, and plain HTTP to a port with it: told as such at once. */
import assert from "assert";
import { backend } from "../../src/storage/backends/http/mod.ts";
import { backend as redis } from "../../src/storage/backends/redis/mod.ts";
import type { Backend } from "../../src/storage/backend.ts";
import { withRetry } from "../../src/storage/retry.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import { azureContext } from "../support/azure.ts";
import { codeIs } from "../support/errors.ts";
import { signal } from "../support/flows.ts";

/** What a get of an object costs in connections, and what it fails with. */
async function failsOnce(
  kind: Backend,
  scheme: string,
  { reply, wanted }: { reply: string; wanted: RegExp },
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let connections = 0;
  const serving = (async () => {
    for await (const conn of listener) {
      connections++;
      await conn.read(new Uint8Array(4096));
      await conn.write(Uint8Array.from(reply, (character) => character.charCodeAt(0)));
      await conn.read(new Uint8Array(4096)).catch(() => null);
      conn.close();
    }
  })();
  const uri = parseUri(`${scheme}://127.0.0.1:${listener.addr.port}/k`, "it");
  const store = withRetry(await kind.open(uri, { kind: "", values: {}, secrets: {} }, azureContext()), {
    clock: { monotonicMs: sys.clock.monotonicMs, sleep: () => Promise.resolve() },
    random: () => 0,
    deadlineMs: Infinity,
  });
  await assert.rejects(store.get("k", { signal }), codeIs("config", wanted));
  assert.equal(connections, 1);
  store.close();
  listener.close();
  await serving.catch(() => {});
}

/** A TLS alert: unexpected message. */
const ALERT = "\x15\x03\x03\x00\x02\x02\x0a";

for (const [scheme, kind] of [["http", backend], ["redis", redis]] as const) {
  Deno.test(`mismatch: ${scheme} to a port that speaks TLS is told, and not tried again`, () =>
    failsOnce(kind, scheme, { reply: ALERT, wanted: /this port speaks TLS/ }));
}

for (
  const [scheme, kind, reply] of [
    ["https", backend, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
    ["rediss", redis, "-ERR unknown command\r\n"],
  ] as const
) {
  Deno.test(`mismatch: ${scheme} to a port without TLS is told, and not tried again`, () =>
    failsOnce(kind, scheme, { reply, wanted: /this port speaks no TLS/ }));
}
