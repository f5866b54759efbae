/**
 * What the tests of the S3 store share: a store on a server with canned replies.
 * @module
 */
import { Secret } from "../../src/config/mod.ts";
import type { BackendContext } from "../../src/storage/backend.ts";
import { bucketAddress } from "../../src/storage/backends/s3/settings.ts";
import { type Credentials, CredentialSource } from "../../src/storage/backends/s3/tokens.ts";
import { S3Store } from "../../src/storage/backends/s3/store.ts";
import { clientFor } from "../../src/http/client.ts";
import { sys } from "../../src/system/deno.ts";
import { type Canned, Loopback, reply } from "./loopback.ts";

/** Bytes that are too many for one small request. */
export const LARGE: Uint8Array = new Uint8Array(600_000).map((_, i) => (i * 7919) >> 3);
/** CRC32 of LARGE, computed with another implementation. */
export const LARGE_CRC = "HjMc6A==";
/** A header of replies. */
export const ETAG = { etag: '"abc-1"' };
/** The time of the tests, in milliseconds since 1970. */
export const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

/** An error as S3 sends it. */
export function refusal(
  status: number,
  code: string,
  message = "",
  headers: Record<string, string> = {},
): Canned {
  return reply(status, headers, `<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}

/** A store on a server with canned replies. */
export async function withStore(
  replies: Canned[],
  test: (store: S3Store, server: Loopback) => Promise<void>,
  options: { credentials?: Credentials[] } = {},
): Promise<void> {
  await using server = new Loopback(...replies);
  const end = new AbortController();
  const context: BackendContext = {
    system: { ...sys, clock: { ...sys.clock, nowMs: () => NOW_MS } },
    env: {},
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: end.signal,
  };
  const given = options.credentials ?? [{ accessKeyId: "id", secretAccessKey: new Secret("s3cr3t") }];
  const provider = {
    name: "test",
    isFixed: given.length === 1,
    fetch: () => Promise.resolve(given.shift()!),
  };
  const store = new S3Store({
    address: bucketAddress(
      { scheme: "s3", container: "bucket" },
      { kind: "s3", values: { endpoint: server.url, region: "r1" }, secrets: {} },
      {},
    ),
    credentials: new CredentialSource(provider, { nowMs: () => NOW_MS }),
    http: clientFor(context),
    context,
  });
  try {
    await test(store, server);
  } finally {
    store.close();
  }
}
