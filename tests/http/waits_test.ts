import assert from "assert";
import { CopilotError, type ErrorCode } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import type { HttpRequest } from "../../src/http/client.ts";
import { makeOrigin, parseHttpUrl } from "../../src/http/origin.ts";
import { type ByteReader, bytesSource } from "../../src/storage/store.ts";
import type { Network } from "../../src/system/mod.ts";
import { sys } from "../../src/system/deno.ts";
import { LIVE, ManualClock, newClient, serving, text, to } from "../support/http.ts";
import { type Canned, Loopback, reply } from "../support/loopback.ts";

Deno.test("http client: a stale connection is replaced once, and only where nothing came", async (t) => {
  await t.step(
    "GET and a PUT whose body is opened again",
    () =>
      serving([reply(200), reply(200, {}, "again"), reply(200)], async (server, client) => {
        await text((await client.request(to(server))).body);
        server.closeConnections();
        assert.equal(await text((await client.request(to(server))).body), "again");
        server.closeConnections();
        const bytes = new Uint8Array(300_000).fill(7);
        const body = { length: bytes.length, open: () => bytesSource(bytes).open() };
        assert.equal((await client.request(to(server, { method: "PUT", body }))).status, 200);
        assert.deepEqual(server.requests.at(-1)!.body, bytes);
        assert.equal(server.connections, 3);
      }),
  );
  await t.step("not POST", () =>
    serving([reply(200), reply(200)], async (server, client) => {
      await client.request(to(server));
      server.closeConnections();
      await assert.rejects(client.request(to(server, { method: "POST" })), codeIs("network", /./));
    }));
  await t.step(
    "not a first connection",
    () =>
      serving([{ raw: [], close: true }, reply(200)], async (server, client) => {
        await assert.rejects(client.request(to(server)), codeIs("network", /closed before/));
        assert.equal(server.requests.length, 1);
      }),
  );
  await t.step(
    "not after a byte of the reply",
    () =>
      serving([reply(200), { raw: ["HTTP/1.1 2"], close: true }, reply(200)], async (server, client) => {
        await client.request(to(server));
        await assert.rejects(client.request(to(server)), codeIs("network", /closed before/));
        assert.equal(server.requests.length, 2);
      }),
  );
});

Deno.test("http client: every wait is bounded", async (t) => {
  const bounds = { connectTimeoutMs: 60_000, headTimeoutMs: 100, stallTimeoutMs: 100, idleTimeoutMs: 100 };
  // Ticks come only when a test gives them, so the bounds are in ticks: 100 ms are four of 25 ms, and one more.
  const waiting = async (clock: ManualClock, pending: Promise<unknown>, pattern: RegExp) => {
    let settled = false;
    const done = pending.finally(() => settled = true);
    done.catch(() => {});
    for (let i = 0; i < 2000 && !settled; i++) {
      clock.advance(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await assert.rejects(done, codeIs("timeout", pattern));
  };
  await t.step("the head of the reply", async () => {
    const clock = new ManualClock();
    await serving(
      [{ raw: [], hang: true }],
      (server, client) => waiting(clock, client.request(to(server)), /did not answer/),
      { clock, ...bounds },
    );
  });
  await t.step("a read in the middle of a body; the caller's own pauses do not count", async () => {
    const clock = new ManualClock();
    const raw = ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"];
    await serving([{ raw, hang: true }], async (server, client) => {
      const { body } = await client.request(to(server));
      clock.advance(100);
      assert.equal(await body.read(new Uint8Array(5)), 5);
      await waiting(clock, body.read(new Uint8Array(5)), /stopped sending/);
      body.close();
    }, { clock, ...bounds });
  });
  await t.step("a write that nobody reads", async () => {
    const clock = new ManualClock();
    await serving([{ raw: [], beforeBody: true }], async (server, client) => {
      const body = new Uint8Array(64 << 20);
      await waiting(clock, client.request(to(server, { method: "PUT", body })), /stopped reading/);
    }, { clock, ...bounds });
  });
  await t.step("a connection that does not open", async () => {
    const clock = new ManualClock();
    let given: AbortSignal | undefined;
    const network: Network = {
      ...sys.network,
      connect: (_hostname, _port, signal) => {
        given = signal;
        return new Promise(() => {});
      },
    };
    const client = newClient({ network, clock, ...bounds, connectTimeoutMs: 100 });
    const request = {
      method: "GET",
      origin: makeOrigin(false, "h", 80),
      path: "/",
      headers: [],
      object: "o",
      signal: LIVE,
    };
    await waiting(clock, client.request(request), /Cannot connect to "http:\/\/h:80"/);
    assert.ok(given?.aborted);
    client.close();
  });
  await t.step("idle connections are closed, and the timer stops with the last one", async () => {
    const clock = new ManualClock();
    await serving([reply(200), reply(200)], async (server, client) => {
      await client.request(to(server));
      assert.ok(clock.running);
      clock.advance(10);
      assert.ok(!clock.running);
      await client.request(to(server));
      assert.equal(server.connections, 2);
    }, { clock, ...bounds });
  });
});

Deno.test("http client: the signal ends a request wherever it is", async (t) => {
  const abortWhen = async (
    canned: Canned,
    request: Partial<HttpRequest>,
    use: (body: ByteReader) => Promise<unknown> = () => Promise.reject(new Error("answered")),
  ) => {
    const abort = new AbortController();
    const soon = setTimeout(() => abort.abort(), 20);
    await serving([canned], async (server, client) => {
      const pending = client.request(to(server, { ...request, signal: abort.signal })).then(({ body }) =>
        use(body)
      );
      await assert.rejects(pending, codeIs("aborted", /cancelled/));
    });
    clearTimeout(soon);
  };
  await t.step("before it starts", () =>
    serving([], async (server, client) => {
      await assert.rejects(
        client.request(to(server, { signal: AbortSignal.abort() })),
        codeIs("aborted", /s3:\/\/b\/k/),
      );
      assert.equal(server.connections, 0);
    }));
  await t.step("while the head is awaited", () => abortWhen({ raw: [], hang: true }, {}));
  await t.step(
    "while a body is sent",
    () => abortWhen({ raw: [], beforeBody: true }, { method: "PUT", body: new Uint8Array(64 << 20) }),
  );
  await t.step(
    "while a body is read",
    () =>
      abortWhen(
        { raw: ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"], hang: true },
        {},
        async (body) => {
          await body.read(new Uint8Array(5));
          await body.read(new Uint8Array(5));
        },
      ),
  );
  await t.step(
    "close() ends what is under way and refuses what comes later",
    () =>
      serving([{ raw: [], hang: true }], async (server, client) => {
        const pending = client.request(to(server));
        setTimeout(() => client.close(), 20);
        await assert.rejects(pending, codeIs("aborted", /./));
        await assert.rejects(client.request(to(server)), codeIs("aborted", /./));
      }),
  );
});

Deno.test("http client: a body closed early keeps the connection only where the rest is here already", async (t) => {
  await t.step("small", () =>
    serving([reply(404, {}, "not here"), reply(200)], async (server, client) => {
      (await client.request(to(server))).body.close();
      await client.request(to(server));
      assert.ok(server.connections <= 2);
    }));
  await t.step(
    "large",
    () =>
      serving([reply(200, {}, new Uint8Array(1 << 20)), reply(200)], async (server, client) => {
        const { body } = await client.request(to(server));
        body.close();
        body.close();
        await assert.rejects(body.read(new Uint8Array(1)), CopilotError);
        await client.request(to(server));
        assert.equal(server.connections, 2);
      }),
  );
});

Deno.test("http client: the pool keeps no more idle connections than allowed", () =>
  serving(Array.from({ length: 8 }, () => reply(200, {}, "x")), async (server, client) => {
    const fetchAll = () =>
      Promise.all([1, 2, 3, 4].map(async () => text((await client.request(to(server))).body)));
    await fetchAll();
    await fetchAll();
    assert.ok(server.connections >= 6, `${server.connections}`);
  }, { maxIdle: 2 }));

Deno.test("http client: proxies", async (t) => {
  const env = (server: Loopback) => ({ HTTP_PROXY: `http://us%40er:p%3aw@127.0.0.1:${server.port}` });
  const expected = `Basic ${btoa("us@er:p:w")}`;
  await t.step("http: absolute form, Basic credentials", async () => {
    await using server = new Loopback(reply(200, {}, "via"));
    const client = newClient({ env: env(server) });
    const { origin, path } = parseHttpUrl("http://s3.test:9000/b/k?x=1", "url");
    const { body } = await client.request(to(server, { origin, path }));
    assert.equal(await text(body), "via");
    assert.equal(server.requests[0]!.path, "http://s3.test:9000/b/k?x=1");
    assert.equal(server.requests[0]!.headers["host"], "s3.test:9000");
    assert.equal(server.requests[0]!.headers["proxy-authorization"], expected);
    client.close();
  });
  await t.step("https: a tunnel, then TLS for the origin's name; no proxy credentials inside", async () => {
    await using server = new Loopback(
      { raw: ["HTTP/1.1 200 Connection established\r\n\r\n"] },
      reply(200, {}, "in"),
    );
    const tls: unknown[] = [];
    const network: Network = {
      ...sys.network,
      startTls(connection, hostname, options) {
        tls.push([hostname, options.caCerts]);
        return Promise.resolve(connection);
      },
    };
    const client = newClient({ network, caCerts: ["PEM"], env: { https_proxy: env(server).HTTP_PROXY } });
    const { origin, path } = parseHttpUrl("https://s3.test/b/k", "url");
    const { body } = await client.request(to(server, { origin, path }));
    assert.equal(await text(body), "in");
    assert.deepEqual(tls, [["s3.test", ["PEM"]]]);
    assert.equal(server.requests[0]!.path, "s3.test:443");
    assert.equal(server.requests[0]!.headers["proxy-authorization"], expected);
    assert.equal(server.requests[1]!.path, "/b/k");
    assert.equal(server.requests[1]!.headers["proxy-authorization"], undefined);
    client.close();
  });
  const refusals: [number, ErrorCode, RegExp][] = [[407, "denied", /HTTPS_PROXY/], [
    502,
    "unavailable",
    /status 502/,
  ]];
  for (const [status, code, pattern] of refusals) {
    await t.step(`a tunnel refused with ${status}`, async () => {
      await using server = new Loopback(reply(status));
      const client = newClient({ env: { HTTPS_PROXY: env(server).HTTP_PROXY } });
      const { origin } = parseHttpUrl("https://s3.test/", "url");
      await assert.rejects(client.request(to(server, { origin })), (thrown) => {
        assert.doesNotMatch(`${thrown}`, /p:w|p%3aw/);
        return codeIs(code, pattern)(thrown);
      });
      client.close();
    });
  }
});

/** A request to a host that cannot be reached must say so. */
async function unreachable(hostname: string, port: number, pattern: RegExp): Promise<void> {
  const client = newClient();
  const origin = makeOrigin(false, hostname, port);
  const request = { method: "GET", path: "/", origin, headers: [], object: "o", signal: LIVE };
  await assert.rejects(client.request(request), codeIs("network", pattern));
  client.close();
}

Deno.test("http client: a server that refuses connections is a network error that names it", async () => {
  const server = new Loopback();
  const { port } = server;
  await server.close();
  await unreachable("127.0.0.1", port, new RegExp(`127\\.0\\.0\\.1:${port}`));
});

Deno.test({
  name: "http client: a host that does not exist is a network error that names it",
  // Deno 2.7 forgets the cancel handle of a connect whose name cannot be resolved.
  sanitizeResources: false,
  fn: () => unreachable("no-such-host.invalid", 80, /no-such-host\.invalid/),
});
