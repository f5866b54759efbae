import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { secretValues } from "../../../../src/config/mod.ts";
import { createMasker } from "../../../../src/system/log.ts";
import { azureAddress, azureCredential } from "../../../../src/storage/backends/azure/settings.ts";
import { backend } from "../../../../src/storage/backends/azure/mod.ts";
import { requiredPermissions } from "../../../../src/storage/permissions.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import { ACCOUNT, azureContext, azureSettings, KEY } from "../../../support/azure.ts";
import {
  Bench,
  call,
  CLIENT_SECRET,
  type Env,
  HEADER,
  WORKLOAD,
} from "../../../support/azure_token_bench.ts";
import { Loopback, reply } from "../../../support/loopback.ts";

const SAS = "sv=2021-12-02&sr=c&sp=rwdl&sig=c2lnbmF0dXJl%2Bc2VjcmV0%3D";

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
    assert.throws(() => azureCredential("abc", azureSettings({}), env), codeIs("config", pattern));
  }
});

Deno.test("azure credentials: what is known and not supported is refused by name, where it would be the first", () => {
  const cases: [Env, RegExp][] = [
    [
      { AZURE_CLIENT_CERTIFICATE_PATH: "/c.pem", AZURE_CLIENT_ID: "c", AZURE_TENANT_ID: "t" },
      /CERTIFICATE_PATH/,
    ],
    [
      { IDENTITY_ENDPOINT: "https://h/", IDENTITY_HEADER: "h", IDENTITY_SERVER_THUMBPRINT: "AB" },
      /Service Fabric/,
    ],
    [{ IDENTITY_ENDPOINT: "http://h/", IMDS_ENDPOINT: "http://h" }, /Azure Arc/],
    [{ MSI_ENDPOINT: "http://h/" }, /MSI_ENDPOINT/],
  ];
  for (const [env, pattern] of cases) {
    assert.throws(() => azureCredential("abc", azureSettings({}), env), codeIs("unsupported", pattern));
    assert.equal(azureCredential("abc", azureSettings({}), { ...env, AZURE_STORAGE_KEY: KEY }).kind, "key");
  }
  const both = { IDENTITY_ENDPOINT: "http://h/", IDENTITY_HEADER: "h", MSI_ENDPOINT: "http://h/" };
  assert.equal(azureCredential("abc", azureSettings({}), both).kind, "identity");
});

Deno.test("azure credentials: a connection string gives the account, where it is, and its key or signature", () => {
  const uri = (text: string) => parseUri(text, "the URI");
  const open = (AZURE_STORAGE_CONNECTION_STRING: string, text = "abfs://box/k", values = {}) => {
    const env = { AZURE_STORAGE_CONNECTION_STRING };
    const { account, origin, base } = azureAddress(uri(text), azureSettings(values), env);
    const { kind, from } = azureCredential(account, azureSettings(values), env);
    return [`${origin.key}${base}`, kind, from.split(" ")[0]];
  };
  const keyed =
    `DefaultEndpointsProtocol=https;AccountName=abc;AccountKey=${KEY};EndpointSuffix=core.usgovcloudapi.net`;
  const name = "AZURE_STORAGE_CONNECTION_STRING";
  assert.deepEqual(open(keyed), ["https://abc.blob.core.usgovcloudapi.net:443/box", "key", name]);
  const emulator = `AccountName=abc;AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:10000/abc;`;
  assert.deepEqual(open(emulator), ["http://127.0.0.1:10000/abc/box", "key", name]);
  const signed = `BlobEndpoint=https://abc.blob.core.windows.net/;SharedAccessSignature=${SAS}`;
  assert.deepEqual(open(signed), ["https://abc.blob.core.windows.net:443/box", "sas", name]);
  // It is of one account.
  const other = open(keyed, "abfs://box@other.dfs.core.windows.net/k");
  assert.deepEqual(other.slice(0, 2), ["https://other.blob.core.windows.net:443/box", "identity"]);
  assert.equal(open(keyed, "abfs://box/k", { account: "xyz" })[1], "identity");
  for (
    const [text, why] of [["UseDevelopmentStorage=true", "no account"], ["AccountName=abc", "no credentials"]]
  ) {
    assert.throws(() => open(text!), codeIs("config", name, why!));
  }
  const config = { primary: azureSettings({}), schemes: {}, maxDownloadBytes: 0 };
  assert.deepEqual(secretValues(config as never, { [name]: keyed }).sort(), [keyed, KEY].sort());
});

Deno.test("azure credentials: a run may reach the account, where its token is from, and the token's file", () => {
  const reach = (env: Env, key?: string) =>
    requiredPermissions(parseUri("abfs://box/k", "the URI"), azureSettings({ account: "abc" }, key), {
      env,
      cwd: "/",
    });
  const host = "abc.blob.core.windows.net:443";
  assert.deepEqual(reach({ IDENTITY_ENDPOINT: "http://h/" }, KEY), { hosts: [host], paths: [] });
  assert.deepEqual(reach(WORKLOAD), { hosts: [host, "login.microsoftonline.com:443"], paths: ["/token"] });
  assert.deepEqual(reach({}), { hosts: [host, "169.254.169.254:80"], paths: [] });
  const identity = { IDENTITY_ENDPOINT: "http://127.0.0.1:41/msi", IDENTITY_HEADER: "h" };
  assert.deepEqual(reach(identity), { hosts: [host, "127.0.0.1:41"], paths: [] });
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
    codeIs("denied", /auth_type; the account takes no anonymous requests/),
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
    maxDownloadBytes: 0,
    primary: azureSettings({}),
    schemes: {},
  } as const;
  const mask = createMasker(secretValues(config, env));
  for (const secret of Object.values(env)) assert(!mask(`a ${secret} b`).includes(secret));
});
