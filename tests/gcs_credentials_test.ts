/**
 * Each source of Google's credentials against a server that speaks its protocol: first use, expiry and rotation, refusals.
 */
import assert from "assert";
import { Secret, type StoreSettings } from "../src/config.ts";
import { CopilotError } from "../src/errors.ts";
import { backend } from "../src/storage/backends/gcs.ts";
import type { ObjectStore } from "../src/storage/store.ts";
import { sys } from "../src/sys.ts";
import type { Clock } from "../src/system.ts";
import { GoogleServer, SECRETS, type Seen } from "./google_server.ts";
import { LIVE, ManualClock } from "./http_fixtures.ts";

const CALL = { signal: LIVE };
const MINUTE_MS = 60_000;
const STORAGE = "https://www.googleapis.com/auth/devstorage.read_write";

/** A world in which a store is opened. */
interface World {
  /** `storage.stow.config json`. */
  json?: string;
  values?: Record<string, string>;
  env?: Record<string, string>;
  clock?: Clock;
}

async function open(
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
async function using(
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
async function fails(code: string, call: () => Promise<unknown>, pattern: RegExp): Promise<CopilotError> {
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

function bearer({ headers }: Seen): string | null {
  return headers.get("authorization");
}

/** A clock that can be put forward. */
class ShiftedClock implements Clock {
  aheadMs = 0;
  nowMs = () => sys.clock.nowMs() + this.aheadMs;
  monotonicMs = sys.clock.monotonicMs;
  sleep = sys.clock.sleep;
  every = sys.clock.every;
}

// ---------------------------------------------------------------- each source

const AWS = (server: GoogleServer) => ({
  environment_id: "aws1",
  region_url: `${server.url}/imds/region`,
  url: `${server.url}/imds/credentials`,
  imdsv2_session_token_url: `${server.url}/imds/token`,
  regional_cred_verification_url:
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
});

const SOURCES: [what: string, world: (server: GoogleServer, directory: string) => World, paths: string[]][] =
  [
    ["a service account's key in the settings", (server) => ({ json: server.serviceAccount() }), ["/token"]],
    [
      "a service account's key in GOOGLE_APPLICATION_CREDENTIALS",
      (server, directory) => {
        Deno.writeTextFileSync(`${directory}/key.json`, server.serviceAccount());
        return { env: { GOOGLE_APPLICATION_CREDENTIALS: `${directory}/key.json`, HOME: "/nowhere" } };
      },
      ["/token"],
    ],
    [
      "gcloud's own file",
      (server, directory) => {
        Deno.mkdirSync(`${directory}/.config/gcloud`, { recursive: true });
        Deno.writeTextFileSync(
          `${directory}/.config/gcloud/application_default_credentials.json`,
          server.user(),
        );
        return { env: { HOME: directory } };
      },
      ["/token"],
    ],
    [
      "federation with a token in a file",
      (server, directory) => {
        Deno.writeTextFileSync(`${directory}/token`, "subject-token-1\n");
        return { json: server.federation({ file: `${directory}/token` }) };
      },
      ["/sts"],
    ],
    [
      "federation with a token in a JSON file, acting as a service account",
      (server, directory) => {
        Deno.writeTextFileSync(`${directory}/token`, '{"id_token":"subject-token-1"}');
        const format = { type: "json", subject_token_field_name: "id_token" };
        return {
          json: server.federation({ file: `${directory}/token`, format }, {
            service_account_impersonation_url:
              `${server.url}/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken`,
          }),
        };
      },
      ["/sts", "/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken"],
    ],
    [
      "federation with a token behind a URL",
      (server) => {
        const format = { type: "json", subject_token_field_name: "value" };
        return {
          json: server.federation({ url: `${server.url}/subject`, headers: { "x-ask": "please" }, format }),
        };
      },
      ["/subject", "/sts"],
    ],
    [
      "federation from AWS",
      (server) => ({ json: server.federation(AWS(server)) }),
      ["/imds/token", "/imds/region", "/imds/token", "/imds/credentials", "/imds/credentials/a-role", "/sts"],
    ],
    [
      "a service account that a user may act as",
      (server) => ({
        json: JSON.stringify({
          type: "impersonated_service_account",
          service_account_impersonation_url:
            `${server.url}/v1/projects/-/serviceAccounts/r@p:generateAccessToken`,
          source_credentials: JSON.parse(server.user()),
        }),
      }),
      ["/token", "/v1/projects/-/serviceAccounts/r@p:generateAccessToken"],
    ],
    [
      "the metadata server",
      (server) => ({ env: { GCE_METADATA_HOST: server.host, HOME: "/nowhere" } }),
      ["/computeMetadata/v1/instance/service-accounts/default/token"],
    ],
  ];

for (const [what, world, paths] of SOURCES) {
  Deno.test(`gcs credentials: ${what}: used at first use, kept, renewed before the end and after a refusal`, async () => {
    const clock = new ShiftedClock();
    await using((server, directory) => ({ ...world(server, directory), clock }), async (store, server) => {
      assert.deepEqual(server.seen, [], "nothing is asked before the first request");
      await Promise.all([store.head("k", CALL), store.head("k", CALL), store.head("k", CALL)]);
      const made = () => server.exchanges.map(({ path }) => path);
      assert.deepEqual(made(), paths, "one exchange for three requests");
      clock.aheadMs = 56 * MINUTE_MS;
      await store.head("k", CALL);
      assert.deepEqual(made(), paths, "kept");
      const first = bearer(server.seen.at(-1)!);
      clock.aheadMs = 57 * MINUTE_MS;
      await store.head("k", CALL);
      assert.deepEqual(made(), [...paths, ...paths], "renewed before its end");
      assert.notEqual(bearer(server.seen.at(-1)!), first);
      server.valid.clear();
      await store.head("k", CALL);
      assert.deepEqual(made(), [...paths, ...paths, ...paths], "renewed when it is refused");
    });
  });
}

Deno.test("gcs credentials: requests to an emulator carry none, whatever is configured", async () => {
  await using server = new GoogleServer();
  const env = {
    STORAGE_EMULATOR_HOST: server.host,
    GOOGLE_APPLICATION_CREDENTIALS: "/nowhere",
    GCE_METADATA_HOST: server.host,
  };
  const store = await open(server, { env, json: server.user(), values: { endpoint: "" } });
  await fails("denied", () => store.head("k", CALL), /status 401/);
  assert.deepEqual(server.seen.map(bearer), [null]);
  store.close();
});

Deno.test("gcs credentials: the scopes are those of storage, unless others are set", async () => {
  for (const [scopes, wanted] of [["", STORAGE], ["a,b c", "a b c"]] as const) {
    await using(
      (server) => ({ json: server.serviceAccount(), values: { scopes } }),
      async (store, server) => {
        await store.head("k", CALL);
        assert.equal(server.scope, wanted);
      },
    );
  }
  const env = (server: GoogleServer) => ({ GCE_METADATA_HOST: server.host });
  await using((server) => ({ env: env(server), values: { scopes: "a,b" } }), async (store, server) => {
    await store.head("k", CALL);
    assert.match(server.exchanges[0]!.path, /\/token\?scopes=a%2Cb$/);
  });
});

// ---------------------------------------------------------------- rotation

Deno.test("gcs credentials: a subject token and a key file that were replaced are read anew", async () => {
  const clock = new ShiftedClock();
  const world = (server: GoogleServer, directory: string) => {
    Deno.writeTextFileSync(`${directory}/token`, "subject-token-1");
    Deno.writeTextFileSync(`${directory}/key.json`, server.federation({ file: `${directory}/token` }));
    return { clock, env: { GOOGLE_APPLICATION_CREDENTIALS: `${directory}/key.json` } };
  };
  await using(world, async (store, server, directory) => {
    await store.head("k", CALL);
    server.subjects.clear();
    server.subjects.add("subject-token-2");
    Deno.writeTextFileSync(`${directory}/token`, "subject-token-2");
    clock.aheadMs = 59 * MINUTE_MS;
    await store.head("k", CALL);
    Deno.writeTextFileSync(`${directory}/key.json`, server.user());
    clock.aheadMs = 120 * MINUTE_MS;
    await store.head("k", CALL);
    assert.deepEqual(server.exchanges.map(({ path }) => path), ["/sts", "/sts", "/token"]);
  });
});

Deno.test("gcs credentials: a token that cannot be renewed is used to its end", async () => {
  const clock = new ShiftedClock();
  await using((server) => ({ json: server.user(), clock }), async (store, server) => {
    await store.head("k", CALL);
    const unavailable = () => new Response("", { status: 503, headers: { "Retry-After": "7" } });
    server.instead.push(unavailable, unavailable);
    clock.aheadMs = 58 * MINUTE_MS;
    await store.head("k", CALL);
    clock.aheadMs = 61 * MINUTE_MS;
    const error = await fails("throttled", () => store.head("k", CALL), /gave no token: status 503$/);
    assert.equal(error.retryAfterMs, 7000);
    await store.head("k", CALL);
  });
});

Deno.test("gcs credentials: tokens of a short life are kept for half of it", async () => {
  const clock = new ShiftedClock();
  await using((server) => ({ json: server.user(), clock }), async (store, server) => {
    server.expiresInSeconds = 60;
    await store.head("k", CALL);
    clock.aheadMs = 25_000;
    await store.head("k", CALL);
    assert.equal(server.exchanges.length, 1);
    clock.aheadMs = 35_000;
    await store.head("k", CALL);
    assert.equal(server.exchanges.length, 2);
  });
});

// ---------------------------------------------------------------- refusals

Deno.test("gcs credentials: a token that is refused twice is denied", async () => {
  await using((server) => ({ json: server.user() }), async (store, server) => {
    server.valid.add = () => server.valid;
    const error = await fails(
      "denied",
      () => store.head("k", CALL),
      /^Cannot look at "gs:\/\/b\/k": status 401/,
    );
    assert.equal(error.object, "gs://b/k");
    assert.equal(server.exchanges.length, 2);
  });
});

for (
  const [what, code, instead, pattern] of [
    [
      "429",
      "throttled",
      () => new Response("", { status: 429, headers: { "Retry-After": "2" } }),
      /status 429$/,
    ],
    ["500", "unavailable", () => new Response("oops", { status: 500 }), /status 500$/],
    [
      "403",
      "denied",
      () => Response.json({ error: { message: "Not you." } }, { status: 403 }),
      /\(Not you\)$/,
    ],
    ["no JSON", "unavailable", () => new Response("<html>"), /not JSON$/],
    ["no token", "unavailable", () => Response.json({}), /its reply has none$/],
    [
      "a redirect",
      "config",
      () => new Response("", { status: 302, headers: { Location: "http://e/" } }),
      /status 302$/,
    ],
  ] as const
) {
  Deno.test(`gcs credentials: a token server that answers ${what} is ${code}`, async () => {
    await using((server) => ({ json: server.serviceAccount() }), async (store, server) => {
      server.instead.push(instead);
      const error = await fails(code, () => store.head("k", CALL), pattern);
      assert.equal(error.object, "gs://b/k");
      await store.head("k", CALL);
    });
  });
}

Deno.test("gcs credentials: a token server that does not answer is a time-out", async () => {
  const clock = Object.assign(new ManualClock(), { nowMs: sys.clock.nowMs });
  await using((server) => ({ json: server.user(), clock }), async (store, server) => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    server.instead.push(() => {
      setTimeout(() => clock.advance(20), 0);
      return promise;
    });
    await fails("timeout", () => store.head("k", CALL), /gave no token: .*did not answer/);
    resolve(new Response(""));
    await store.head("k", CALL);
  });
});

Deno.test("gcs credentials: a signal ends the wait of its own call only", async () => {
  await using((server) => ({ json: server.user() }), async (store, server) => {
    const { promise, resolve } = Promise.withResolvers<null>();
    const controller = new AbortController();
    server.instead.push(() => {
      controller.abort();
      return promise as never;
    });
    const other = store.head("k", CALL);
    await fails("aborted", () => store.head("k", { signal: controller.signal }), /cancelled/);
    resolve(null);
    assert.equal((await other).size, 1);
    assert.equal(server.exchanges.length, 1);
  });
});

Deno.test("gcs credentials: wrong ones are denied, whatever the server repeats of them", async () => {
  const cases: ((server: GoogleServer, directory: string) => string)[] = [
    (server) => server.user({ refresh_token: "a-refresh-token-that-is-wrong" }),
    (server, directory) => {
      Deno.writeTextFileSync(`${directory}/token`, "subject-token-unknown");
      return server.federation({ file: `${directory}/token` });
    },
    (server) => server.federation({ url: `${server.url}/subject` }),
  ];
  for (const json of cases) {
    await using((server, directory) => ({ json: json(server, directory) }), async (store) => {
      await fails(
        "denied",
        () => store.head("k", CALL),
        /^Cannot look at "gs:\/\/b\/k": http:\/\/127.*gave no token/,
      );
    });
  }
});

Deno.test("gcs credentials: a key that cannot sign is said so, without the key", async () => {
  const key = "-----BEGIN PRIVATE KEY-----\nc3ViamVjdC10b2tlbi0x\n-----END PRIVATE KEY-----\n";
  await using((server) => ({ json: server.serviceAccount({ private_key: key }) }), async (store) => {
    await fails(
      "config",
      () => store.head("k", CALL),
      /type service_account: the private key cannot be used$/,
    );
  });
});

// ---------------------------------------------------------------- no fall-through

Deno.test("gcs credentials: what is configured and cannot be used is an error; nothing else is tried", async () => {
  await using server = new GoogleServer();
  const good = Deno.makeTempFileSync();
  Deno.writeTextFileSync(good, server.user());
  const env = { GOOGLE_APPLICATION_CREDENTIALS: good, GCE_METADATA_HOST: server.host };
  await fails(
    "config",
    () => open(server, { json: "token-x {", env }),
    /of storage.stow.config json: not a JSON object$/,
  );
  const missing = { GOOGLE_APPLICATION_CREDENTIALS: "/no/such/file", GCE_METADATA_HOST: server.host };
  await fails(
    "config",
    () => open(server, { env: missing }),
    /GOOGLE_APPLICATION_CREDENTIALS "\/no\/such\/file": Cannot/,
  );
  assert.deepEqual(server.seen, []);
  Deno.removeSync(good);
});

Deno.test("gcs credentials: where there are none, the error says what was looked for", async () => {
  await using server = new GoogleServer();
  const store = await open(server, { env: { GCE_METADATA_HOST: "127.0.0.1:1", HOME: "/nowhere" } });
  const what =
    /No Google credentials: storage.stow.config json is not set, GOOGLE_APPLICATION_CREDENTIALS is not set, /;
  const error = await fails("network", () => store.head("k", CALL), what);
  assert.match(
    error.message,
    /"\/nowhere\/\.config\/gcloud\/application_default_credentials\.json" does not exist, http/,
  );
  store.close();
  const other = await open(server, { env: { GCE_METADATA_HOST: server.host } });
  server.instead.push(() => Response.json({ access_token: "token-x", expires_in: 9 }));
  await fails("denied", () => other.head("k", CALL), /is no metadata server$/);
  other.close();
});
