/** What settings change about requests to S3: encryption, who pays, where a bucket is, the way there, stores that only speak S3. */
import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { Secret, type StoreSettings } from "../../../../src/config/mod.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import { openStore } from "../../../../src/storage/backends/mod.ts";
import { requestHeaders } from "../../../../src/storage/backends/s3/request_headers.ts";
import { bytesSource, type ObjectStore } from "../../../../src/storage/store.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import type { Network } from "../../../../src/system/mod.ts";
import { sys } from "../../../../src/system/deno.ts";
import { type Canned, Loopback, reply } from "../../../support/loopback.ts";
import { refusal } from "../../../support/s3.ts";

const { signal } = new AbortController();
const KEYS = { access_key_id: "id", region: "r1" };
const CUSTOMER_KEY = new Uint8Array(32).fill(7).toBase64();

function settings(
  values: Record<string, string>,
  secrets: Record<string, string> = {},
  kind = "s3",
): StoreSettings {
  const all = { secret_key: "the-secret", ...secrets };
  return {
    kind,
    values: { ...KEYS, ...values },
    secrets: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, new Secret(value)])),
  };
}

function open(uri: string, given: StoreSettings, change: Partial<BackendContext> = {}): Promise<ObjectStore> {
  const context = { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal, ...change };
  return openStore(parseUri(uri, "it"), given, context);
}

const SSE = "x-amz-server-side-encryption";
const CUSTOMER = [
  [`${SSE}-customer-algorithm`, "AES256"],
  [`${SSE}-customer-key`, CUSTOMER_KEY],
  [`${SSE}-customer-key-md5`, "y4HAEFCYWuvAXWFTtA1Qpg=="],
] as const;
const PAYER = ["x-amz-request-payer", "requester"] as const;

Deno.test("s3 settings: which request carries which header", () => {
  const put = { method: "PUT" };
  const create = { method: "POST", query: "uploads=" };
  const part = { method: "PUT", query: "partNumber=1&uploadId=x" };
  const complete = { method: "POST", query: "uploadId=x" };
  const read = [{ method: "GET" }, { method: "HEAD" }];
  const others = [{ method: "DELETE" }, { method: "GET", of: "bucket" as const, query: "list-type=2" }];
  const all = [put, create, part, complete, ...read, ...others];
  const kms = [[SSE, "aws:kms"], [`${SSE}-aws-kms-key-id`, "arn:k"]] as const;
  const cases = [
    [settings({}), [], []],
    [settings({ server_side_encryption: "AES256" }), [[SSE, "AES256"]], [put, create]],
    [settings({ server_side_encryption: "aws:kms:dsse" }), [[SSE, "aws:kms:dsse"]], [put, create]],
    [settings({ server_side_encryption: "aws:kms", kms_key_id: "arn:k" }), kms, [put, create]],
    [settings({ request_payer: "requester" }), [PAYER], all],
    [settings({}, { sse_customer_key: CUSTOMER_KEY }), CUSTOMER, [put, create, part, complete, ...read]],
  ] as const;
  for (const [given, headers, requests] of cases) {
    const added = requestHeaders(given, { isSecure: true });
    for (const request of all) {
      const wanted = (requests as readonly unknown[]).includes(request) ? headers : [];
      assert.deepEqual(added(request), wanted, JSON.stringify({ values: given.values, request }));
    }
  }
});

Deno.test("s3 settings: encryption that cannot work is refused, and its key is not shown", () => {
  const cases: [StoreSettings, boolean, RegExp][] = [
    [settings({ server_side_encryption: "rot13" }), true, /"rot13", expected one of AES256, aws:kms/],
    [settings({ kms_key_id: "arn:k" }), true, /server_side_encryption: it is ""/],
    [settings({ server_side_encryption: "AES256", kms_key_id: "arn:k" }), true, /kms_key_id/],
    [settings({ request_payer: "me" }), true, /request_payer: it is "me", expected requester/],
    [settings({}, { sse_customer_key: "short" }), true, /expected 32 bytes in base64/],
    [settings({}, { sse_customer_key: CUSTOMER_KEY }), false, /in the clear, expected an https endpoint/],
    [
      settings({ server_side_encryption: "AES256" }, { sse_customer_key: CUSTOMER_KEY }),
      true,
      /expected one of them/,
    ],
  ];
  for (const [given, isSecure, pattern] of cases) {
    assert.throws(() => requestHeaders(given, { isSecure }), (error) => {
      assert(codeIs("config", pattern)(error));
      assert(!String(error).includes(CUSTOMER_KEY) && !String(error).includes("short"));
      return true;
    });
  }
});

Deno.test("s3 settings: added headers are sent and signed", async () => {
  await using server = new Loopback(reply(200, { etag: '"e"' }));
  const given = settings({
    endpoint: server.url,
    server_side_encryption: "AES256",
    request_payer: "requester",
  });
  const store = await open("s3://b/", given);
  await store.put("k", bytesSource(new Uint8Array(3)), { signal });
  const { headers } = server.requests[0]!;
  assert.deepEqual([headers[SSE], headers[PAYER[0]]], ["AES256", "requester"]);
  assert.match(
    headers["authorization"]!,
    /SignedHeaders=[^,]*x-amz-request-payer;x-amz-server-side-encryption/,
  );
  store.close();
});

/** A network where every host is the same server, and TLS is none. */
function everywhere(server: Loopback, dialled: string[]): Network {
  return {
    ...sys.network,
    connect(hostname, port) {
      dialled.push(`${hostname}:${port}`);
      return sys.network.connect("127.0.0.1", server.port);
    },
    startTls: (connection) => Promise.resolve(connection),
  };
}

for (
  const [what, canned] of [
    [
      "a redirect with a header",
      refusal(301, "PermanentRedirect", "", { "x-amz-bucket-region": "eu-west-1" }),
    ],
    ["a temporary redirect", refusal(307, "TemporaryRedirect", "", { "x-amz-bucket-region": "eu-west-1" })],
    [
      "a signature for the wrong region",
      reply(
        400,
        {},
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></Error>",
      ),
    ],
  ] as const
) {
  Deno.test(`s3 settings: a bucket in another region is found by ${what}`, async () => {
    await using server = new Loopback(canned as Canned, reply(200, { "content-length": "0" }));
    const dialled: string[] = [];
    const system = { ...sys, network: everywhere(server, dialled) };
    const store = await open("s3://bucket/", settings({ region: "us-east-1" }), { system });
    await store.get("k", { signal });
    assert.deepEqual(dialled, [
      "bucket.s3.us-east-1.amazonaws.com:443",
      "bucket.s3.eu-west-1.amazonaws.com:443",
    ]);
    assert.match(server.requests[1]!.headers["authorization"]!, /\/eu-west-1\/s3\/aws4_request/);
    store.close();
  });
}

Deno.test("s3 settings: a region that is none leads nowhere", async () => {
  const canned = refusal(301, "PermanentRedirect", "", { "x-amz-bucket-region": "evil.example/x" });
  await using server = new Loopback(canned);
  const dialled: string[] = [];
  const system = { ...sys, network: everywhere(server, dialled) };
  const store = await open("s3://bucket/", settings({ region: "us-east-1" }), { system });
  await assert.rejects(store.get("k", { signal }), codeIs("config", /PermanentRedirect/));
  assert.deepEqual(dialled, ["bucket.s3.us-east-1.amazonaws.com:443"]);
  store.close();
});

Deno.test("s3 settings: dual-stack and FIPS endpoints", async () => {
  const cases = [
    [{ AWS_USE_DUALSTACK_ENDPOINT: "true" }, "bucket.s3.dualstack.us-east-1.amazonaws.com:443"],
    [{ AWS_USE_FIPS_ENDPOINT: "true" }, "bucket.s3-fips.us-east-1.amazonaws.com:443"],
  ] as const;
  for (const [env, host] of cases) {
    await using server = new Loopback(reply(200));
    const dialled: string[] = [];
    const system = { ...sys, network: everywhere(server, dialled) };
    const store = await open("s3://bucket/", settings({ region: "us-east-1" }), { system, env });
    await store.get("k", { signal });
    assert.deepEqual(dialled, [host]);
    store.close();
  }
});

Deno.test("s3 settings: an IPv6 endpoint", async () => {
  const hosts: (string | null)[] = [];
  const server = Deno.serve({ hostname: "::1", port: 0, onListen() {} }, (request) => {
    hosts.push(request.headers.get("host"));
    return new Response("bytes", { headers: { etag: '"e"' } });
  });
  const { port } = server.addr;
  const store = await open("s3://b/", settings({ endpoint: `http://[::1]:${port}` }));
  const { body, length } = await store.get("k", { signal });
  body.close();
  assert.deepEqual([length, hosts], [5, [`[::1]:${port}`]]);
  store.close();
  await server.shutdown();
});

Deno.test("s3 settings: a proxy gets requests in absolute form with its password, and no bucket's secret", async () => {
  await using proxy = new Loopback(reply(200, { "content-length": "0" }));
  const env = { HTTP_PROXY: `http://user:pass@127.0.0.1:${proxy.port}` };
  const store = await open("s3://b/", settings({ endpoint: "http://s3.internal:9000" }), { env });
  await store.get("k", { signal });
  const [{ path, headers }] = proxy.requests as [Loopback["requests"][0]];
  assert.equal(path, "http://s3.internal:9000/b/k");
  assert.equal(headers["proxy-authorization"], `Basic ${btoa("user:pass")}`);
  assert.equal(headers["host"], "s3.internal:9000");
  store.close();
});

Deno.test("s3 settings: a proxy opens a tunnel for TLS, and none for NO_PROXY", async () => {
  await using proxy = new Loopback(reply(200), reply(200, { "content-length": "0" }));
  const system = {
    ...sys,
    network: { ...sys.network, startTls: (connection) => Promise.resolve(connection) } as Network,
  };
  const env = { HTTPS_PROXY: proxy.url, NO_PROXY: "direct.internal" };
  const store = await open("s3://b/", settings({ endpoint: "https://s3.internal" }), { env, system });
  await store.get("k", { signal });
  assert.deepEqual(proxy.requests.map(({ method, path }) => `${method} ${path}`), [
    "CONNECT s3.internal:443",
    "GET /b/k",
  ]);
  store.close();
  const dialled: string[] = [];
  const direct = await open("s3://b/", settings({ endpoint: "https://direct.internal" }), {
    env,
    system: { ...sys, network: { ...everywhere(proxy, dialled) } },
  });
  await assert.rejects(direct.get("k", { signal }));
  assert.deepEqual(dialled, ["direct.internal:443"]);
  direct.close();
});

for (
  const [scheme, kind, name] of [
    ["sw", "swift", "OpenStack Swift"],
    ["os", "oracle", "Oracle Object Storage"],
  ] as const
) {
  Deno.test(`s3 settings: ${scheme}:// is reached by its S3 interface`, async () => {
    await using server = new Loopback(reply(200, { "content-length": "0" }), refusal(404, "NoSuchKey"));
    const store = await open(`${scheme}://c/`, settings({ endpoint: server.url }, {}, kind));
    assert.equal(store.root, `${scheme}://c`);
    await store.get("a b", { signal });
    assert.equal(server.requests[0]!.path, "/c/a%20b");
    await assert.rejects(store.get("k", { signal }), codeIs("not-found", new RegExp(`"${scheme}://c/k"`)));
    store.close();
  });

  Deno.test(`s3 settings: ${scheme}:// without them is refused by name, with the settings to use`, async () => {
    const own = { kind, values: { username: "u", tenant_auth_url: "http://keystone" }, secrets: {} };
    const pattern = new RegExp(
      `"${scheme}://c/k": ${name} is reached by its S3 interface, expected endpoint`,
    );
    await assert.rejects(open(`${scheme}://c/k`, own), codeIs("config", pattern));
    // No credentials of AWS are looked for, wherever the run is.
    const env = {
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
      AWS_ENDPOINT_URL: "http://127.0.0.1:9",
    };
    await assert.rejects(open(`${scheme}://c/k`, own, { env }), codeIs("config", pattern));
  });
}
