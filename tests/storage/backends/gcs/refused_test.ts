/**
 * Google's credentials where they are refused, cannot be had, or cannot be used.
 */
import assert from "assert";
import { sys } from "../../../../src/system/deno.ts";
import { CALL, fails, open, using } from "../../../support/gcs.ts";
import { GoogleServer } from "../../../support/google_server.ts";
import { ManualClock } from "../../../support/http.ts";

Deno.test("gcs credentials: a token that is refused twice is denied", async () => {
  await using((server) => ({ json: server.user() }), async (store, server) => {
    server.valid.add = () => server.valid;
    const error = await fails(
      "denied",
      () => store.head("k", CALL),
      /^Cannot stat "gs:\/\/b\/k": status 401/,
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
        /^Cannot stat "gs:\/\/b\/k": http:\/\/127.*gave no token/,
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
