/**
 * What the tests of the HTTP client share: a clock that they turn by hand, a client, requests, one kind of assertion.
 * @module
 */
import { HttpClient, type HttpClientOptions, type HttpRequest } from "../../src/http/client.ts";
import { parseHttpUrl } from "../../src/http/origin.ts";
import { type ByteReader, readAll } from "../../src/storage/store.ts";
import type { Clock } from "../../src/system/mod.ts";
import { sys } from "../../src/system/deno.ts";
import { type Canned, Loopback } from "./loopback.ts";

const decoder = new TextDecoder();
/** A signal that never fires. */
export const LIVE = new AbortController().signal;

/** A clock that ticks when the test says so. */
export class ManualClock implements Clock {
  #ticks = new Set<() => void>();
  nowMs = () => 0;
  monotonicMs = () => 0;
  sleep = () => Promise.resolve();
  every(_ms: number, tick: () => void) {
    this.#ticks.add(tick);
    return () => void this.#ticks.delete(tick);
  }
  get running(): boolean {
    return this.#ticks.size > 0;
  }
  advance(ticks: number): void {
    for (let i = 0; i < ticks; i++) this.#ticks.forEach((tick) => tick());
  }
}

/** A client on the real network. */
export function newClient(options: Partial<HttpClientOptions> = {}): HttpClient {
  return new HttpClient({ network: sys.network, clock: sys.clock, ...options });
}

/** A GET of `/k` on the server, changed by `request`. */
export function to(server: Loopback, request: Partial<HttpRequest> = {}): HttpRequest {
  const { origin } = parseHttpUrl(server.url, "the test server");
  return { method: "GET", origin, path: "/k", headers: [], object: "s3://b/k", signal: LIVE, ...request };
}

/** A body as text. */
export async function text(body: ByteReader): Promise<string> {
  return decoder.decode(await readAll(body, 1 << 24, () => new Error("too large")));
}

/** Runs `test` against a server with canned replies and a client of its own. */
export async function serving(
  replies: Canned[],
  test: (server: Loopback, client: HttpClient) => Promise<void>,
  options: Partial<HttpClientOptions> = {},
): Promise<void> {
  await using server = new Loopback(...replies);
  const client = newClient(options);
  try {
    await test(server, client);
  } finally {
    client.close();
  }
}
