/**
 * Each source of Google's credentials against a server that speaks its protocol: first use, expiry and rotation.
 */
import assert from "assert";
import { bearer, CALL, fails, open, ShiftedClock, using, type World } from "../../../support/gcs.ts";
import { GoogleServer } from "../../../support/google_server.ts";

const MINUTE_MS = 60_000;
const STORAGE = "https://www.googleapis.com/auth/devstorage.read_write";

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
      clock.aheadMs = 54 * MINUTE_MS;
      await store.head("k", CALL);
      assert.deepEqual(made(), paths, "kept");
      const first = bearer(server.seen.at(-1)!);
      clock.aheadMs = 56 * MINUTE_MS;
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

Deno.test("gcs credentials: Google's library is known to one module, which is loaded when a credential file is used", () => {
  const root = new URL("../../../../src/storage/backends/", import.meta.url).pathname;
  const sources = [...Deno.readDirSync(`${root}gcs`)].map(({ name }) => `gcs/${name}`)
    .map((path) => ({ path, text: Deno.readTextFileSync(root + path) }));
  const importing = (pattern: RegExp) =>
    sources.filter(({ text }) => pattern.test(text)).map(({ path }) => path);
  assert.deepEqual(importing(/from "[^"]*packages\/google_auth\.ts"/), ["gcs/google_auth.ts"]);
  assert.deepEqual(importing(/from "\.\/google_auth\.ts"/), []);
  assert.deepEqual(importing(/await import\("\.\/google_auth\.ts"\)/), ["gcs/tokens.ts"]);
});
