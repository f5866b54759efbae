/** Every provider of tokens against a server that speaks its protocol. */
import assert from "assert";
import { withRetry } from "../../../../src/storage/retry.ts";
import { readAll } from "../../../../src/storage/store.ts";
import { sys } from "../../../../src/system/deno.ts";
import {
  Bench,
  call,
  CLIENT_SECRET,
  FEDERATED,
  HEADER,
  PROVIDERS,
  token,
} from "../../../support/azure_token_bench.ts";
import { reply } from "../../../support/loopback.ts";

/** What each provider sends, and a server may repeat. */
const SENT: Record<string, string> = {
  "workload identity": FEDERATED,
  "service principal": CLIENT_SECRET,
  "managed identity of App Service": HEADER,
  "managed identity of a node": "***",
};

Deno.test("azure tokens: workload identity sends the token of its file as an assertion", async () => {
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

Deno.test("azure tokens: a service principal sends its secret", async () => {
  await using bench = new Bench([token("token-1")], PROVIDERS["service principal"]!);
  assert.equal(await bench.authorization(), "Bearer token-1");
  const form = new URLSearchParams(new TextDecoder().decode(bench.tokens.requests[0]!.body));
  assert.deepEqual([form.get("client_secret"), form.get("client_assertion")], [CLIENT_SECRET, null]);
});

Deno.test("azure tokens: App Service's endpoint gets its header, and its expiry is a text", async () => {
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

Deno.test("azure tokens: the metadata service is asked at its address, past any proxy", async () => {
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
  Deno.test(`azure tokens: ${name}: one exchange serves all who wait, and renews before it runs out`, async () => {
    await using bench = new Bench([token("token-1"), token("token-2")], env);
    bench.objects.add(...Array.from({ length: 8 }, () => reply(200, {}, "bytes")));
    await Promise.all(Array.from({ length: 8 }, () => bench.read()));
    assert.equal(bench.tokens.requests.length, 1);
    bench.clock.aheadMs = 54 * 60_000;
    assert.equal(await bench.authorization(), "Bearer token-1");
    bench.clock.aheadMs = 56 * 60_000;
    assert.equal(await bench.authorization(), "Bearer token-2");
  });

  Deno.test(`azure tokens: ${name}: a renewal that fails does not matter while the token is good`, async () => {
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

  Deno.test(`azure tokens: ${name}: a token that the store refuses is replaced once`, async () => {
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

  Deno.test(`azure tokens: ${name}: 429 says when to come back, a refusal is final and repeats no secret`, async () => {
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
      reply(500, {}, "x".repeat(300_000)),
    ], env);
    assert.equal((await bench.fails("throttled", /status 429/)).retryAfterMs, 3000);
    await bench.fails("denied", /status 400 \(invalid_client: AADSTS7000215: \*\*\*!\)/);
    for (let i = 0; i < 3; i++) await bench.fails("unavailable", /no access_token that is still valid/);
    await bench.fails("unavailable", /larger than 262144 bytes/);
  });

  Deno.test(`azure tokens: ${name}: a server that does not answer ends in a time-out, not in a wait`, async () => {
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

  Deno.test(`azure tokens: ${name}: the retry layer comes back after passing faults`, async () => {
    await using bench = new Bench([reply(429, { "Retry-After": "3" }), reply(503), token("token-1")], env);
    bench.objects.add(reply(200, {}, "bytes"));
    const store = withRetry(await bench.store, { clock: bench.clock, random: () => 0, deadlineMs: Infinity });
    const got = await store.get("k", call);
    assert.equal((await readAll(got.body, 100, () => new Error())).length, 5);
    assert(bench.clock.slept.includes(3000));
  });
}

Deno.test("azure tokens: the federated token is read anew for every exchange", async () => {
  await using bench = new Bench([token("token-1"), token("token-2")], PROVIDERS["workload identity"]!);
  await bench.authorization();
  bench.file = "the.rotated.token";
  bench.clock.aheadMs = 2 * 3_600_000;
  assert.equal(await bench.authorization(), "Bearer token-2");
  const form = new URLSearchParams(new TextDecoder().decode(bench.tokens.requests[1]!.body));
  assert.equal(form.get("client_assertion"), "the.rotated.token");
});

Deno.test("azure tokens: a token file that is missing or empty is an error of the configuration", async () => {
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

Deno.test("azure tokens: no metadata service: denied, naming what was looked at", async () => {
  await using bench = new Bench([], () => ({}));
  await bench.tokens.close();
  await bench.fails(
    "denied",
    /metadata service \(.*AZURE_FEDERATED_TOKEN_FILE.*are not set.*does not answer/,
  );
  assert.deepEqual(bench.clock.slept, [500, 1000]);
});

Deno.test("azure tokens: the metadata service passes through 404 and 410 while it is updated", async () => {
  await using bench = new Bench([reply(404), reply(410), reply(403)], () => ({}));
  for (const status of [404, 410]) await bench.fails("unavailable", new RegExp(`status ${status}`));
  await bench.fails("denied", /status 403/);
});
