import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { Secret, type StoreSettings } from "../../../../src/config/mod.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import {
  type Credentials,
  CredentialSource,
  providerFor,
} from "../../../../src/storage/backends/s3/tokens.ts";
import { clientFor } from "../../../../src/http/client.ts";
import { sys } from "../../../../src/system/deno.ts";
import { type Canned, Loopback, reply } from "../../../support/loopback.ts";

const MINUTE_MS = 60_000;

/** The provider for settings and an environment; files are those given. */
function provider(
  settings: Partial<StoreSettings>,
  env: Record<string, string> = {},
  files: Record<string, string> = {},
) {
  const end = new AbortController();
  const context: BackendContext = {
    system: {
      ...sys,
      files: {
        ...sys.files,
        stat: (path) => path in files ? sys.files.stat("/") : null,
        readFile: (path) => new TextEncoder().encode(files[path]),
      },
    },
    env,
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: end.signal,
  };
  const http = clientFor(context);
  const all = { kind: "s3", values: {}, secrets: {}, ...settings };
  return {
    provider: providerFor({ settings: all, context, http, region: "us-east-1", object: "s3://b/" }),
    close: () => http.close(),
  };
}

Deno.test("s3 credentials: what is configured decides, in this order", () => {
  const keys = { AWS_ACCESS_KEY_ID: "e", AWS_SECRET_ACCESS_KEY: "s" };
  const web = { AWS_WEB_IDENTITY_TOKEN_FILE: "/t", AWS_ROLE_ARN: "arn" };
  const pod = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials" };
  const home = { HOME: "/home/u" };
  const shared = { "/home/u/.aws/credentials": "[default]" };
  const given = { values: { access_key_id: "a" }, secrets: { secret_key: new Secret("s") } };
  const cases: [Partial<StoreSettings>, Record<string, string>, Record<string, string>, RegExp][] = [
    [
      { ...given, values: { ...given.values, auth_type: "accesskey" } },
      keys,
      {},
      /stow\.config access_key_id/,
    ],
    [given, { ...keys, ...web }, {}, /stow\.config access_key_id/],
    [{ ...given, values: { ...given.values, auth_type: "iam" } }, keys, {}, /^AWS_ACCESS_KEY_ID/],
    [{}, { ...keys, ...web, ...pod, AWS_PROFILE: "p" }, shared, /profile "p"/],
    [{}, { ...keys, ...web, ...pod }, shared, /^AWS_ACCESS_KEY_ID/],
    [{}, { ...web, ...pod, ...home }, shared, /web identity/],
    [{}, { ...pod, ...home }, shared, /container/],
    [{}, home, shared, /profile "default"/],
    [{}, home, {}, /instance/],
  ];
  for (const [settings, env, files, pattern] of cases) {
    const made = provider(settings, env, files);
    assert.match(made.provider.name, pattern);
    made.close();
  }
});

Deno.test("s3 credentials: incomplete settings are a configuration error that names the key", () => {
  const cases: [Partial<StoreSettings>, RegExp][] = [
    [{ values: { auth_type: "accesskey" } }, /no access_key_id/],
    [{ values: { access_key_id: "a" } }, /no secret_key/],
    [{ values: { access_key_id: "a" }, secrets: { secret_key: new Secret("") } }, /no secret_key/],
    [{ values: { auth_type: "magic" } }, /auth_type "magic": expected accesskey or iam/],
  ];
  for (const [settings, pattern] of cases) {
    assert.throws(() => provider(settings), codeIs("config", pattern));
  }
});

Deno.test("s3 credentials: a key with something odd inside is named before it is sent anywhere, and not shown", () => {
  const good = { values: { access_key_id: "AKIA" }, secrets: { secret_key: new Secret("wJal/r+=") } };
  provider(good).close();
  for (const odd of ["AK\nIA", "AK IA", "AK\u{a0}IA", "\u{feff}AKIA", "AKÍA"]) {
    const secret = new Secret(odd);
    const cases: [Partial<StoreSettings>, Record<string, string>, string][] = [
      [{ ...good, values: { access_key_id: odd } }, {}, "storage.stow.config access_key_id"],
      [{ ...good, secrets: { secret_key: secret } }, {}, "storage.stow.config secret_key"],
      [{ ...good, secrets: { ...good.secrets, token: secret } }, {}, "storage.stow.config token"],
      [{}, { AWS_ACCESS_KEY_ID: odd, AWS_SECRET_ACCESS_KEY: "s" }, "AWS_ACCESS_KEY_ID"],
      [{}, { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: odd }, "AWS_SECRET_ACCESS_KEY"],
      [
        {},
        { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "s", AWS_SESSION_TOKEN: odd },
        "AWS_SESSION_TOKEN",
      ],
    ];
    for (const [settings, env, name] of cases) {
      const named = codeIs("config", `Cannot use ${name}: it has `);
      assert.throws(
        () => provider(settings, env),
        (error) => named(error) && !String(error).includes(odd),
        name,
      );
    }
  }
});

Deno.test("s3 credentials: nothing configured and no metadata service: denied, naming what was looked at", async () => {
  const { provider: instance, close } = provider({}, { AWS_EC2_METADATA_DISABLED: "true" });
  await assert.rejects(
    instance.fetch(),
    codeIs(
      "denied",
      /AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE.*AWS_EC2_METADATA_DISABLED is set/,
    ),
  );
  close();
});

const EXPIRY = "2030-01-02T03:04:05Z";

/** A server that hands out credentials, and the provider for an environment that names it. */
async function served(
  canned: Canned[],
  env: (url: string) => Record<string, string>,
  test: (fetch: () => Promise<Credentials>, server: Loopback) => Promise<void>,
): Promise<void> {
  await using server = new Loopback(...canned);
  const made = provider({ values: { auth_type: "iam" } }, env(server.url), { "/token": " the-token\n" });
  try {
    await test(() => made.provider.fetch(), server);
  } finally {
    made.close();
  }
}

Deno.test("s3 credentials: EKS Pod Identity and ECS, the token file trimmed", () =>
  served(
    [reply(
      200,
      { "Connection": "close" },
      JSON.stringify({ AccessKeyId: "A", SecretAccessKey: "S", Token: "T", Expiration: EXPIRY }),
    )],
    (url) => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/token",
    }),
    async (fetch, { requests }) => {
      const credentials = await fetch();
      assert.deepEqual([
        credentials.accessKeyId,
        credentials.secretAccessKey.reveal(),
        credentials.sessionToken?.reveal(),
      ], ["A", "S", "T"]);
      assert.equal(credentials.expiresAtMs, Date.parse(EXPIRY));
      assert.equal(requests[0]!.path, "/v1/credentials");
      assert.equal(requests[0]!.headers["authorization"], "the-token");
    },
  ));

Deno.test("s3 credentials: web identity (IRSA) asks STS, over the project's own connections", () => {
  const answer = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>" +
    `<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>${EXPIRY}</Expiration>` +
    "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
  const refused =
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>bad token</Message></Error></ErrorResponse>";
  const busy = "<ErrorResponse><Error><Code>Throttling</Code><Message>slow</Message></Error></ErrorResponse>";
  return served(
    [reply(200, {}, answer), reply(400, {}, refused), reply(400, {}, busy)],
    (url) => ({
      AWS_ENDPOINT_URL_STS: url,
      AWS_WEB_IDENTITY_TOKEN_FILE: "/token",
      AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
    }),
    async (fetch, { requests }) => {
      const credentials = await fetch();
      assert.equal(credentials.sessionToken?.reveal(), "T");
      const body = new URLSearchParams(new TextDecoder().decode(requests[0]!.body));
      assert.equal(body.get("WebIdentityToken"), "the-token");
      assert.equal(body.get("RoleArn"), "arn:aws:iam::1:role/r");
      await assert.rejects(fetch(), codeIs("denied", /web identity.*InvalidIdentityToken/));
      await assert.rejects(fetch(), codeIs("throttled", /Throttling/));
    },
  );
});

Deno.test("s3 credentials: renewed before they run out, once for all who ask, the old ones kept while they are good", async () => {
  let now = 0;
  let fetched = 0;
  let fails = false;
  const source = new CredentialSource({
    name: "test",
    isFixed: false,
    fetch() {
      fetched++;
      if (fails) return Promise.reject(new Error("no"));
      return Promise.resolve({
        accessKeyId: `${fetched}`,
        secretAccessKey: new Secret("s"),
        expiresAtMs: now + 60 * MINUTE_MS,
      });
    },
  }, { nowMs: () => now });
  const [one, two] = await Promise.all([source.get(), source.get()]);
  assert.equal(one, two);
  assert.equal(fetched, 1);
  now = 54 * MINUTE_MS;
  assert.equal(source.get(), one, "no promise where nothing has to be waited for");
  now = 56 * MINUTE_MS;
  fails = true;
  assert.equal(await source.get(), one);
  now = 61 * MINUTE_MS;
  await assert.rejects(async () => await source.get(), /no/);
  fails = false;
  const fresh = await source.get();
  assert.notEqual(fresh, one);
  assert.ok(source.renew(one), "already renewed: nothing is thrown away");
  assert.equal(source.get(), fresh);
  assert.ok(source.renew(fresh));
  assert.notEqual(await source.get(), fresh);
});
