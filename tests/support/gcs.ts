/**
 * What the tests of Google's credentials share: a store in a world of its own, errors that are searched for secrets.
 * @module
 */
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { Secret, type StoreSettings } from "../../src/config/mod.ts";
import { backend } from "../../src/storage/backends/gcs/mod.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import { sys } from "../../src/system/deno.ts";
import type { Clock } from "../../src/system/mod.ts";
import { GoogleServer, SECRETS, type Seen } from "./google_server.ts";
import { LIVE } from "./http.ts";

/** Options of calls that nobody cancels. */
export const CALL = { signal: LIVE };

/** A world in which a store is opened. */
export interface World {
  /** `storage.stow.config json`. */
  json?: string;
  values?: Record<string, string>;
  env?: Record<string, string>;
  clock?: Clock;
}

export async function open(
  server: GoogleServer,
  { json, values, env = {}, clock = sys.clock }: World,
): Promise<ObjectStore> {
  const settings: StoreSettings = {
    kind: "google",
    values: { endpoint: server.url, ...values },
    secrets: json === undefined ? {} : { json: new Secret(json) },
  };
  return await backend.open({ scheme: "gs", container: "b", host: "", key: "" }, settings, {
    system: { ...sys, clock },
    env,
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: LIVE,
  });
}

/** Runs `test` with a store and its server. */
export async function using(
  world: (server: GoogleServer, directory: string) => World,
  test: (store: ObjectStore, server: GoogleServer, directory: string) => Promise<void>,
): Promise<void> {
  await using server = new GoogleServer();
  const directory = Deno.makeTempDirSync();
  let store: ObjectStore | undefined;
  try {
    store = await open(server, world(server, directory));
    await test(store, server, directory);
  } finally {
    store?.close();
    Deno.removeSync(directory, { recursive: true });
  }
}

/** An error of this code, in which no secret is. */
export async function fails(
  code: string,
  call: () => Promise<unknown>,
  pattern: RegExp,
): Promise<CopilotError> {
  const thrown = await Promise.resolve().then(call).then(
    () => assert.fail(`expected ${code}`),
    (error) => error,
  );
  assert(thrown instanceof CopilotError, `${thrown}`);
  assert.equal(thrown.code, code, thrown.message);
  assert.match(thrown.message, pattern);
  const text = `${Deno.inspect(thrown, { depth: 9 })} ${JSON.stringify(thrown)} ${thrown.stack}`;
  for (const secret of SECRETS) assert(!text.includes(secret), `"${secret.slice(0, 20)}" in: ${text}`);
  return thrown;
}

/** What a request is authorised by. */
export function bearer({ headers }: Seen): string | null {
  return headers.get("authorization");
}

/** A clock that can be put forward. */
export class ShiftedClock implements Clock {
  aheadMs = 0;
  nowMs = () => sys.clock.nowMs() + this.aheadMs;
  monotonicMs = sys.clock.monotonicMs;
  sleep = sys.clock.sleep;
  every = sys.clock.every;
}
