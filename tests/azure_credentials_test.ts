/**
 * Where Azure's credentials come from, each provider against a server that speaks its protocol.
 */
import assert from "assert";
import { azureCredential } from "../src/storage/azure_settings.ts";
import { backend } from "../src/storage/backends/azure.ts";
import { withRetry } from "../src/storage/retry.ts";
import { type ObjectStore, readAll } from "../src/storage/store.ts";
import { reachOf } from "../src/storage/reach.ts";
import { parseUri } from "../src/storage/uri.ts";
import { CopilotError } from "../src/errors.ts";
import { createMasker } from "../src/log.ts";
import { secretValues } from "../src/config.ts";
import { sys } from "../src/sys.ts";
import type { Clock, System } from "../src/system.ts";
import { ACCOUNT, azureContext, azureSettings, KEY } from "./azure_fixtures.ts";
import { failsWith, LIVE } from "./http_fixtures.ts";
import { type Canned, Loopback, reply } from "./loopback.ts";

type Env = Record<string, string>;

const call = { signal: LIVE };
const FEDERATED = "a.federated.token";
const SAS = "sv=2021-12-02&sr=c&sp=rwdl&sig=c2lnbmF0dXJl%2Bc2VjcmV0%3D";
const HEADER = "an-identity-header";
const CLIENT_SECRET = "a-client-secret";
const SECRETS = [KEY, FEDERATED, "c2lnbmF0dXJl", HEADER, CLIENT_SECRET, "token-1", "token-2", "token-3"];
const WORKLOAD = {
  AZURE_CLIENT_ID: "client",
  AZURE_TENANT_ID: "tenant",
  AZURE_FEDERATED_TOKEN_FILE: "/token",
};

/** A clock that is moved by hand; sleeps pass at once. */
class HandClock implements Clock {
  aheadMs = 0;
  readonly slept: number[] = [];
  readonly #ticks = new Set<() => void>();
  nowMs = () => sys.clock.nowMs() + this.aheadMs;
  monotonicMs = () => 0;
  sleep = (ms: number) => {
    this.slept.push(ms);
    return Promise.resolve();
  };
  every = (_ms: number, tick: () => void) => {
    this.#ticks.add(tick);
    return () => void this.#ticks.delete(tick);
  };
  tick(count: number): void {
    for (let i = 0; i < count; i++) this.#ticks.forEach((tick) => tick());
  }
}

/** A server of tokens, one of objects, and a store between them. */
class Bench {
  readonly tokens: Loopback;
  readonly objects: Loopback;
  readonly clock = new HandClock();
  /** Text of the federated token's file. */
  file = ` ${FEDERATED}\n`;
  #store: Promise<ObjectStore> | null = null;
  readonly #env: (tokens: string) => Env;

  constructor(tokens: Canned[], env: (tokens: string) => Env) {
    this.tokens = new Loopback(...tokens);
    this.objects = new Loopback();
    this.#env = env;
  }

  get env(): Env {
    return this.#env(this.tokens.url);
  }

  get store(): Promise<ObjectStore> {
    return this.#store ??= backend.open(
      parseUri("abfs://box/", "the container"),
      azureSettings({ base_url: `${this.objects.url}/${ACCOUNT}` }),
      azureContext({ env: this.env, system: this.#system() }),
    );
  }

  /** Reads a blob, and gives the authorization that it took. */
  async authorization(): Promise<string | undefined> {
    this.objects.add(reply(200, {}, "bytes"));
    await this.read();
    return this.objects.requests.at(-1)!.headers["authorization"];
  }

  async read(): Promise<void> {
    const got = await (await this.store).get("k", call);
    await readAll(got.body, 100, () => new Error("too large"));
  }

  /** Waits until the server of tokens has been asked so often. */
  async asked(count: number): Promise<void> {
    while (this.tokens.requests.length < count) await new Promise((go) => setTimeout(go, 1));
  }

  /** What a read fails with; no secret shows in it. */
  async fails(code: string, pattern: RegExp): Promise<CopilotError> {
    const error = await this.read().then(() => assert.fail("it succeeded"), (thrown) => thrown);
    failsWith(code, pattern)(error);
    const text = `${error.message} ${error.cause} ${JSON.stringify(error)} ${Deno.inspect(error)}`;
    for (const secret of SECRETS) assert(!text.includes(secret), `${secret} in ${text}`);
    return error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#store?.catch(() => null))?.close();
    await this.tokens.close();
    await this.objects.close();
  }

  #system(): System {
    return {
      ...sys,
      clock: this.clock,
      files: {
        ...sys.files,
        readFile: (path) => {
          if (path === "/token") return new TextEncoder().encode(this.file);
          throw new CopilotError("not-found", `Cannot open "${path}": No such file`, { object: path });
        },
      },
      network: {
        ...sys.network,
        connect: (hostname, port, signal) =>
          hostname === "169.254.169.254"
            ? sys.network.connect("127.0.0.1", this.tokens.port, signal)
            : sys.network.connect(hostname, port, signal),
      },
    };
  }
}

function token(value: string, fields: Record<string, unknown> = { expires_in: 3600 }): Canned {
  const body = JSON.stringify({ token_type: "Bearer", access_token: value, ...fields });
  return reply(200, { "Content-Type": "application/json" }, body);
}

const PROVIDERS: Record<string, (url: string) => Env> = {
  "workload identity": (url) => ({ ...WORKLOAD, AZURE_AUTHORITY_HOST: `${url}/` }),
  "service principal": (url) => ({
    AZURE_CLIENT_ID: "client",
    AZURE_TENANT_ID: "tenant",
    AZURE_CLIENT_SECRET: CLIENT_SECRET,
    AZURE_AUTHORITY_HOST: url,
  }),
  "managed identity of App Service": (url) => ({
    IDENTITY_ENDPOINT: `${url}/msi/token`,
    IDENTITY_HEADER: HEADER,
  }),
  "managed identity of a node": () => ({}),
};

/** What each provider sends, and a server may repeat. */
const SENT: Record<string, string> = {
  "workload identity": FEDERATED,
  "service principal": CLIENT_SECRET,
  "managed identity of App Service": HEADER,
  "managed identity of a node": "***",
};

Deno.test("azure credentials: the first that is configured is used, and no other", () => {
  const own = { AZURE_STORAGE_ACCOUNT: "abc" };
  const app = { AZURE_CLIENT_ID: "c", AZURE_TENANT_ID: "t", AZURE_CLIENT_SECRET: "s" };
  const identity = { IDENTITY_ENDPOINT: "http://h/", IDENTITY_HEADER: "h" };
  const all = {
    ...own,
    ...app,
    ...identity,
    ...WORKLOAD,
    AZURE_STORAGE_KEY: KEY,
    AZURE_STORAGE_SAS_TOKEN: SAS,
  };
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)));
  const keyed = azureSettings({ account: "abc" }, KEY);
  const bare = azureSettings({ account: "abc" });
  const cases: [string, typeof bare, Env, RegExp][] = [
    ["abc", azureSettings({ auth_type: "anonymous" }, KEY), all, /auth_type$/],
    ["abc", keyed, all, /stow\.config key$/],
    ["abc", bare, all, /^AZURE_STORAGE_KEY$/],
    ["abc", azureSettings({ account: "abc" }, ""), all, /^AZURE_STORAGE_KEY$/],
    ["abc", bare, without("AZURE_STORAGE_KEY"), /^AZURE_STORAGE_SAS_TOKEN$/],
    ["abc", bare, without("AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"), /workload identity/],
    ["abc", bare, { ...app, ...identity }, /service principal/],
    ["abc", bare, identity, /IDENTITY_ENDPOINT$/],
    ["abc", bare, {}, /^the instance metadata service/],
    // A key or SAS is of one account.
    ["other", keyed, all, /workload identity/],
    ["other", keyed, {}, /^the instance metadata service/],
    ["other", azureSettings({}), { AZURE_STORAGE_SAS_TOKEN: SAS }, /^AZURE_STORAGE_SAS_TOKEN$/],
  ];
  for (const [account, settings, env, pattern] of cases) {
    assert.match(azureCredential(account, settings, env).from, pattern);
  }
});

Deno.test("azure credentials: a provider that is configured in part is an error, not passed over", () => {
  const cases: [Env, RegExp][] = [
    [{ AZURE_FEDERATED_TOKEN_FILE: "/t" }, /AZURE_CLIENT_ID and AZURE_TENANT_ID not set/],
    [{ AZURE_FEDERATED_TOKEN_FILE: "/t", AZURE_CLIENT_ID: "c" }, /: AZURE_TENANT_ID not set/],
    [{ AZURE_CLIENT_SECRET: "s", AZURE_TENANT_ID: "t" }, /service principal.*: AZURE_CLIENT_ID not set/],
    [{ ...WORKLOAD, AZURE_TENANT_ID: "t/../x?" }, /AZURE_TENANT_ID "t\/\.\.\/x\?": expected an id/],
    [{ ...WORKLOAD, AZURE_AUTHORITY_HOST: "http://login.example" }, /expected https/],
    [{ IDENTITY_ENDPOINT: "http://h/" }, /IDENTITY_HEADER not set/],
    [{ IDENTITY_HEADER: "h" }, /IDENTITY_ENDPOINT not set/],
  ];
  for (const [env, pattern] of cases) {
    assert.throws(() => azureCredential("abc", azureSettings({}), env), failsWith("config", pattern));
  }
});

Deno.test("azure credentials: a run may reach the account, where its token is from, and the token's file", () => {
  const reach = (env: Env, key?: string) =>
    reachOf(parseUri("abfs://box/k", "the URI"), azureSettings({ account: "abc" }, key), { env, cwd: "/" });
  const host = "abc.blob.core.windows.net:443";
  assert.deepEqual(reach({ IDENTITY_ENDPOINT: "http://h/" }, KEY), { hosts: [host], paths: [] });
  assert.deepEqual(reach(WORKLOAD), { hosts: [host, "login.microsoftonline.com:443"], paths: ["/token"] });
  assert.deepEqual(reach({}), { hosts: [host, "169.254.169.254:80"], paths: [] });
  const identity = { IDENTITY_ENDPOINT: "http://127.0.0.1:41/msi", IDENTITY_HEADER: "h" };
  assert.deepEqual(reach(identity), { hosts: [host, "127.0.0.1:41"], paths: [] });
});

Deno.test("azure credentials: workload identity sends the token of its file as an assertion", async () => {
  await using bench = new Bench([token("token-1")], PROVIDERS["workload identity"]!);
  assert.equal(await bench.authorization(), "Bearer token-1");
  const [request] = bench.tokens.requests;
  assert.deepEqual([request!.method, request!.path], ["POST", "/tenant/oauth2/v2.0/token"]);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(new TextDecoder().decode(request!.body))), {
    grant_type: "client_credentials",
    scope: "https://storage.azure.com/.default",
    client_id: "client",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: FEDERATED,
  });
});

Deno.test("azure credentials: a service principal sends its secret", async () => {
  await using bench = new Bench([token("token-1")], PROVIDERS["service principal"]!);
  assert.equal(await bench.authorization(), "Bearer token-1");
  const form = new URLSearchParams(new TextDecoder().decode(bench.tokens.requests[0]!.body));
  assert.deepEqual([form.get("client_secret"), form.get("client_assertion")], [CLIENT_SECRET, null]);
});

Deno.test("azure credentials: App Service's endpoint gets its header, and its expiry is a text", async () => {
  const expires = String(Math.round(sys.clock.nowMs() / 1000) + 3600);
  await using bench = new Bench(
    [token("token-1", { expires_on: expires })],
    (url) => ({ ...PROVIDERS["managed identity of App Service"]!(url), AZURE_CLIENT_ID: "client" }),
  );
  assert.equal(await bench.authorization(), "Bearer token-1");
  await bench.authorization();
  const [request, ...more] = bench.tokens.requests;
  assert.equal(
    request!.path,
    "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F&client_id=client",
  );
  assert.equal(request!.headers["x-identity-header"], HEADER);
  assert.equal(more.length, 0);
});

Deno.test("azure credentials: the metadata service is asked at its address, past any proxy", async () => {
  await using bench = new Bench(
    [token("token-1", { expires_in: "86399", expires_on: "1" })],
    () => ({ HTTP_PROXY: "http://127.0.0.1:9" }),
  );
  assert.equal(await bench.authorization(), "Bearer token-1");
  const [request] = bench.tokens.requests;
  assert.equal(
    request!.path,
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F",
  );
  assert.deepEqual([request!.headers["metadata"], request!.headers["host"]], ["true", "169.254.169.254"]);
});

for (const [name, env] of Object.entries(PROVIDERS)) {
  Deno.test(`azure credentials: ${name}: one exchange serves all who wait, and renews before it runs out`, async () => {
    await using bench = new Bench([token("token-1"), token("token-2")], env);
    bench.objects.add(...Array.from({ length: 8 }, () => reply(200, {}, "bytes")));
    await Promise.all(Array.from({ length: 8 }, () => bench.read()));
    assert.equal(bench.tokens.requests.length, 1);
    bench.clock.aheadMs = 54 * 60_000;
    assert.equal(await bench.authorization(), "Bearer token-1");
    bench.clock.aheadMs = 56 * 60_000;
    assert.equal(await bench.authorization(), "Bearer token-2");
  });

  Deno.test(`azure credentials: ${name}: a renewal that fails does not matter while the token is good`, async () => {
    await using bench = new Bench([token("token-1"), reply(503), reply(500), token("token-3")], env);
    assert.equal(await bench.authorization(), "Bearer token-1");
    bench.clock.aheadMs = 56 * 60_000;
    assert.equal(await bench.authorization(), "Bearer token-1");
    assert.equal(await bench.authorization(), "Bearer token-1");
    assert.equal(bench.tokens.requests.length, 2, "not asked again at once");
    bench.clock.aheadMs = 61 * 60_000;
    await bench.fails("unavailable", /Cannot get a token for "abfs:\/\/box".*status 500/);
    assert.equal(await bench.authorization(), "Bearer token-3");
  });

  Deno.test(`azure credentials: ${name}: a token that the store refuses is replaced once`, async () => {
    await using bench = new Bench([token("token-1"), token("token-2"), token("token-3")], env);
    const refused = (said: string) =>
      reply(
        401,
        { "x-ms-error-code": "InvalidAuthenticationInfo" },
        `<Error><Message>Bearer ${said}</Message></Error>`,
      );
    bench.objects.add(refused("token-1"));
    assert.equal(await bench.authorization(), "Bearer token-2");
    bench.objects.add(refused("token-2"), refused("token-3"));
    const error = await bench.fails("denied", /InvalidAuthenticationInfo/);
    assert.equal(error.status, 401);
    assert.equal(bench.tokens.requests.length, 3);
  });

  Deno.test(`azure credentials: ${name}: 429 says when to come back, a refusal is final and repeats no secret`, async () => {
    const said = JSON.stringify({
      error: "invalid_client",
      error_description: `AADSTS7000215: ${SENT[name]}!`,
    });
    await using bench = new Bench([
      reply(429, { "Retry-After": "3" }),
      reply(400, {}, said),
      reply(200, {}, "<html>"),
      token("bad\ntoken"),
      token("token-1", {}),
      reply(500, {}, "x".repeat(100_000)),
    ], env);
    assert.equal((await bench.fails("throttled", /status 429/)).retryAfterMs, 3000);
    await bench.fails("denied", /status 400 \(invalid_client: AADSTS7000215: \*\*\*!\)/);
    for (let i = 0; i < 3; i++) await bench.fails("unavailable", /no access_token that is still valid/);
    await bench.fails("unavailable", /larger than 65536 bytes/);
  });

  Deno.test(`azure credentials: ${name}: a server that does not answer ends in a time-out, not in a wait`, async () => {
    const silent = () => ({ raw: [], hang: true });
    await using bench = new Bench([silent(), silent(), silent()], env);
    const isNode = name === "managed identity of a node";
    const failing = isNode
      ? bench.fails("denied", /metadata service \(.*does not answer/)
      : bench.fails("timeout", /from the .*"http:.*the server did not answer/);
    for (let i = 1; i <= (isNode ? 3 : 1); i++) {
      await bench.asked(i);
      bench.clock.tick(40);
    }
    await failing;
  });

  Deno.test(`azure credentials: ${name}: the retry layer comes back after passing faults`, async () => {
    await using bench = new Bench([reply(429, { "Retry-After": "3" }), reply(503), token("token-1")], env);
    bench.objects.add(reply(200, {}, "bytes"));
    const store = withRetry(await bench.store, { clock: bench.clock, random: () => 0, deadlineMs: Infinity });
    const got = await store.get("k", call);
    assert.equal((await readAll(got.body, 100, () => new Error())).length, 5);
    assert(bench.clock.slept.includes(3000));
  });
}

Deno.test("azure credentials: the federated token is read anew for every exchange", async () => {
  await using bench = new Bench([token("token-1"), token("token-2")], PROVIDERS["workload identity"]!);
  await bench.authorization();
  bench.file = "the.rotated.token";
  bench.clock.aheadMs = 2 * 3_600_000;
  assert.equal(await bench.authorization(), "Bearer token-2");
  const form = new URLSearchParams(new TextDecoder().decode(bench.tokens.requests[1]!.body));
  assert.equal(form.get("client_assertion"), "the.rotated.token");
});

Deno.test("azure credentials: a token file that is missing or empty is an error of the configuration", async () => {
  const lost = (url: string) => ({
    ...PROVIDERS["workload identity"]!(url),
    AZURE_FEDERATED_TOKEN_FILE: "/no",
  });
  await using without = new Bench([], lost);
  await without.fails(
    "config",
    /workload identity of AZURE_FEDERATED_TOKEN_FILE: the file "\/no" cannot be read/,
  );
  await using empty = new Bench([], PROVIDERS["workload identity"]!);
  empty.file = "\n";
  await empty.fails("config", /the file "\/token" is empty/);
});

Deno.test("azure credentials: no metadata service: denied, naming what was looked at", async () => {
  await using bench = new Bench([], () => ({}));
  await bench.tokens.close();
  await bench.fails(
    "denied",
    /metadata service \(.*AZURE_FEDERATED_TOKEN_FILE.*are not set.*does not answer/,
  );
  assert.deepEqual(bench.clock.slept, [500, 1000]);
});

Deno.test("azure credentials: the metadata service passes through 404 and 410 while it is updated", async () => {
  await using bench = new Bench([reply(404), reply(410), reply(403)], () => ({}));
  for (const status of [404, 410]) await bench.fails("unavailable", new RegExp(`status ${status}`));
  await bench.fails("denied", /status 403/);
});

Deno.test("azure credentials: a shared access signature goes into the query, once, and into no message", async () => {
  for (const text of [SAS, `?${SAS}\n`]) {
    await using bench = new Bench([], () => ({ AZURE_STORAGE_SAS_TOKEN: text }));
    assert.equal(await bench.authorization(), undefined);
    assert.equal(bench.objects.requests[0]!.path, `/${ACCOUNT}/box/k?${SAS}`);
    const echo =
      `<Error><Message>Signature c2lnbmF0dXJl+c2VjcmV0= c2lnbmF0dXJl%2Bc2VjcmV0%3D ${SAS}</Message></Error>`;
    bench.objects.add(reply(403, { "x-ms-error-code": "AuthenticationFailed" }, echo));
    await bench.fails("denied", /Signature \*\*\* .*the credentials are from AZURE_STORAGE_SAS_TOKEN/);
    bench.objects.add(reply(200, {}, "<EnumerationResults></EnumerationResults>"));
    await (await bench.store).list("", call);
    assert(bench.objects.requests[2]!.path.endsWith(`maxresults=2000&${SAS}`));
  }
});

Deno.test("azure credentials: what is no shared access signature is refused without showing it", async () => {
  for (const text of ["sv=2021&sp=r", "sv=1&sig=a#b", "sig=with space"]) {
    await using bench = new Bench([], () => ({ AZURE_STORAGE_SAS_TOKEN: text }));
    const error = await bench.fails("config", /AZURE_STORAGE_SAS_TOKEN: it is no shared access signature/);
    assert(!error.message.includes(text));
  }
});

Deno.test("azure credentials: anonymous requests carry nothing", async () => {
  await using server = new Loopback(
    reply(200, {}, "bytes"),
    reply(409, { "x-ms-error-code": "PublicAccessNotPermitted" }),
  );
  const settings = azureSettings({ base_url: `${server.url}/${ACCOUNT}`, auth_type: "anonymous" }, KEY);
  const store = await backend.open(parseUri("abfs://box/", "the container"), settings, azureContext());
  (await store.get("k", call)).body.close();
  assert.equal(server.requests[0]!.headers["authorization"], undefined);
  await assert.rejects(
    store.get("k", call),
    failsWith("denied", /auth_type; the account takes no anonymous requests/),
  );
  store.close();
});

Deno.test("azure credentials: a run's masker knows the secrets of the environment", () => {
  const env = {
    AZURE_STORAGE_KEY: KEY,
    AZURE_STORAGE_SAS_TOKEN: SAS,
    AZURE_CLIENT_SECRET: CLIENT_SECRET,
    IDENTITY_HEADER: HEADER,
  };
  const config = {
    type: "stow",
    container: "",
    multiContainer: true,
    maxDownloadBytes: 0,
    primary: azureSettings({}),
    schemes: {},
  } as const;
  const mask = createMasker(secretValues(config, env));
  for (const secret of Object.values(env)) assert(!mask(`a ${secret} b`).includes(secret));
});
