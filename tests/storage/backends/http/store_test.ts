import assert from "assert";
import { CopilotError } from "../../../../src/errors.ts";
import { codeIs } from "../../../support/errors.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import { backend } from "../../../../src/storage/backends/http/mod.ts";
import { shownUri } from "../../../../src/text/shown_uri.ts";
import { bytesSource, type GetResult, type ObjectStore, readAll } from "../../../../src/storage/store.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import type { Network } from "../../../../src/system/mod.ts";
import { sys } from "../../../../src/system/deno.ts";
import { LIVE } from "../../../support/http.ts";
import { type Canned, Loopback, reply } from "../../../support/loopback.ts";

interface Options {
  network?: Network;
  allowLinkLocal?: boolean;
  /** Between `http://` and the host. */
  user?: string;
  /** In place of the server's host. */
  host?: string;
  allow?(uris: readonly string[]): Promise<void>;
}

async function withStore(
  replies: Canned[],
  test: (store: ObjectStore, server: Loopback) => Promise<void>,
  { network = sys.network, allowLinkLocal, user = "", host, allow = () => Promise.resolve() }: Options = {},
): Promise<void> {
  await using server = new Loopback(...replies);
  const end = new AbortController();
  const context: BackendContext = {
    system: { ...sys, network },
    env: {},
    caCerts: [],
    allow,
    signal: end.signal,
  };
  const uri = parseUri(`http://${user}${host ?? `127.0.0.1:${server.port}`}/`, "the URL");
  const values = allowLinkLocal ? { allow_link_local: "true" } : {};
  const store = await backend.open(uri, {
    kind: "http",
    values: values as Record<string, string>,
    secrets: {},
  }, context);
  try {
    await test(store, server);
  } finally {
    store.close();
  }
}

async function text({ body }: GetResult): Promise<string> {
  return new TextDecoder().decode(await readAll(body, 1 << 24, () => new Error("too large")));
}

const signal = LIVE;

Deno.test("http store: the key is the rest of the URL, sent as it is written", () =>
  withStore(
    [reply(200, { ETag: '"e"', "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg==" }, "hello")],
    async (store, { requests }) => {
      const got = await store.get("a/../b%20c//d?x=1&y=%2F", { signal });
      assert.deepEqual(got.info, {
        key: "a/../b%20c//d?x=1&y=%2F",
        size: 5,
        etag: '"e"',
        checksum: { name: "md5", hex: "5d41402abc4b2a76b9719d911017c592" },
      });
      assert.equal(await text(got), "hello");
      assert.equal(requests[0]!.path, "/a/../b%20c//d?x=1&y=%2F");
      assert.equal(requests[0]!.headers["accept-encoding"], "identity");
    },
  ));

Deno.test("http store: any status but success is an error that says it", async (t) => {
  for (
    const [status, code] of [[404, "not-found"], [403, "denied"], [500, "unavailable"], [429, "throttled"], [
      400,
      "config",
    ], [304, "config"]] as const
  ) {
    await t.step(
      `${status}`,
      () =>
        withStore(
          [reply(status, { "Retry-After": "3" }, status === 304 ? "" : "<h1>sorry</h1>")],
          async (store) => {
            await assert.rejects(store.get("k?token=secret", { signal }), (thrown) => {
              assert.doesNotMatch(`${thrown}`, /secret/);
              assert.equal((thrown as CopilotError).retryAfterMs, 3000);
              return codeIs(code, new RegExp(`/k\\?\\*\\*\\*": status ${status}`))(thrown);
            });
          },
        ),
    );
  }
});

Deno.test("http store: ranges, versions, and the end of the object", async (t) => {
  await t.step(
    "a range",
    () =>
      withStore(
        [reply(206, { "Content-Range": "bytes 1-2/5", ETag: '"e"' }, "el")],
        async (store, { requests }) => {
          const got = await store.get("k", { signal, start: 1, end: 3, ifMatch: '"e"' });
          assert.deepEqual([got.start, got.length, got.info.size, await text(got)], [1, 2, 5, "el"]);
          assert.deepEqual([requests[0]!.headers["range"], requests[0]!.headers["if-match"]], [
            "bytes=1-2",
            '"e"',
          ]);
        },
      ),
  );
  await t.step(
    "a server that ignores ranges gives everything, and says so",
    () =>
      withStore([reply(200, {}, "hello")], async (store) => {
        const got = await store.get("k", { signal, start: 1 });
        assert.deepEqual([got.start, got.length, await text(got)], [0, 5, "hello"]);
      }),
  );
  await t.step(
    "another range than asked for",
    () =>
      withStore([reply(206, { "Content-Range": "bytes 0-1/5" }, "he")], async (store) => {
        await assert.rejects(
          store.get("k", { signal, start: 1, end: 3 }),
          codeIs("unsupported", /does not fit/),
        );
      }),
  );
  await t.step(
    "past the end: nothing",
    () =>
      withStore([reply(416), { raw: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"] }], async (store) => {
        const got = await store.get("k", { signal, start: 5 });
        assert.deepEqual([got.length, got.info.size, await text(got)], [0, 5, ""]);
      }),
  );
  await t.step(
    "another version, told by the server or by its ETag",
    () =>
      withStore([reply(412), reply(200, { ETag: '"new"' }, "hello")], async (store) => {
        await assert.rejects(store.get("k", { signal, ifMatch: '"old"' }), codeIs("changed", /412/));
        await assert.rejects(
          store.get("k", { signal, ifMatch: '"old"' }),
          codeIs("changed", /another version/),
        );
      }),
  );
});

/** A date so many seconds after a fixed one, as headers have it. */
const dateAfter = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + 1000 * seconds).toUTCString();

Deno.test("http store: what pins a version is a strong ETag, else a date of modification that is settled", async () => {
  const modified = dateAfter(0);
  const cases: [Record<string, string>, string | undefined][] = [
    [{ ETag: '"e"', "Last-Modified": modified, Date: dateAfter(60) }, '"e"'],
    [{ ETag: 'W/"e"' }, undefined],
    [{ ETag: 'W/"e"', "Last-Modified": modified, Date: dateAfter(60) }, `Last-Modified ${modified}`],
    [{ "Last-Modified": modified, Date: dateAfter(60) }, `Last-Modified ${modified}`],
    [{ "Last-Modified": modified, Date: dateAfter(59) }, undefined],
    [{ "Last-Modified": modified }, undefined],
    [{ "Last-Modified": "yesterday", Date: dateAfter(60) }, undefined],
    [{}, undefined],
  ];
  for (const [headers, wanted] of cases) {
    await withStore([reply(200, headers, "hello")], async (store) => {
      const { info, body } = await store.get("k", { signal });
      body.close();
      assert.equal(info.etag, wanted, JSON.stringify(headers));
    });
  }
});

Deno.test("http store: a date of modification is asked for with If-Unmodified-Since, and compared", async () => {
  const settled = { "Last-Modified": dateAfter(0), Date: dateAfter(90) };
  const range = { ...settled, "Content-Range": "bytes 1-2/5" };
  const pin = `Last-Modified ${dateAfter(0)}`;
  const replies = [
    reply(206, range, "el"),
    reply(206, { ...range, "Last-Modified": dateAfter(1) }, "el"),
    reply(206, {
      "Content-Range": "bytes 1-2/5",
    }, "el"),
  ];
  await withStore(replies, async (store, { requests }) => {
    const options = { signal, start: 1, end: 3, ifMatch: pin };
    assert.equal(await text(await store.get("k", options)), "el");
    assert.deepEqual(
      [requests[0]!.headers["if-unmodified-since"], requests[0]!.headers["if-match"]],
      [dateAfter(0), undefined],
    );
    await assert.rejects(store.get("k", options), codeIs("changed", /another version/));
    await assert.rejects(store.get("k", options), codeIs("changed", /another version/));
  });
});

Deno.test("http store: statuses between success and failure are told for what they are", async () => {
  for (
    const [status, pattern] of [[202, /has not got the object yet/], [203, /proxy/], [
      204,
      /no content/,
    ]] as const
  ) {
    await withStore([reply(status)], async (store) => {
      await assert.rejects(store.get("k", { signal }), codeIs("config", pattern));
    });
  }
});

async function gzipped(content: string): Promise<Uint8Array> {
  const stream = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

Deno.test("http store: a body that comes compressed unasked is decoded, and nothing pins its version", async (t) => {
  const headers = { "Content-Encoding": "gzip", ETag: '"e"', "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg==" };
  for (const content of ["", "hello", "0123456789".repeat(100_000)]) {
    await t.step(`${content.length} bytes`, async () => {
      const compressed = await gzipped(content);
      const replies = Array.from({ length: 2 }, () => reply(200, headers, compressed));
      await withStore(replies, async (store) => {
        const got = await store.get("k", { signal });
        assert.deepEqual(got.info, { key: "k", size: content.length });
        assert.equal(await text(got), content);
      });
    });
  }
  await t.step("two members, one after the other", async () => {
    const both = new Uint8Array([...await gzipped("hello "), ...await gzipped("world")]);
    await withStore([reply(200, headers, both)], async (store) => {
      assert.equal(await text(await store.get("k", { signal })), "hello world");
    });
  });
  await t.step("head asks for it", async () => {
    const compressed = await gzipped("hello");
    const head: Canned = { raw: ["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"] };
    await withStore([head, reply(200, headers, compressed)], async (store) => {
      assert.equal((await store.head("k", { signal })).size, 5);
    });
  });
  const compressed = await gzipped("hello".repeat(1000));
  for (
    const [what, body] of [["is none", "hello"], ["is cut short", compressed.subarray(0, -9)], [
      "is damaged",
      compressed.map((byte, at) => at === compressed.length - 6 ? byte ^ 1 : byte),
    ]] as const
  ) {
    await t.step(
      `one that ${what} is an error`,
      () =>
        withStore([reply(200, headers, body)], async (store) => {
          await assert.rejects(store.get("k", { signal }), codeIs("network", /compressed/));
        }),
    );
  }
});

Deno.test("http store: of a body that was measured, the version is that of the second reply", async () => {
  const chunked = (etag: string, letter: string): Canned => {
    const body = letter.repeat(300_000);
    return {
      raw: [
        `HTTP/1.1 200 OK\r\nETag: ${etag}\r\nTransfer-Encoding: chunked\r\n\r\n`,
        `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      ],
    };
  };
  await withStore([chunked('"a"', "a"), chunked('"b"', "b")], async (store) => {
    const got = await store.get("k", { signal });
    assert.equal(got.info.etag, '"b"');
    assert.equal(await text(got), "b".repeat(300_000));
  });
});

Deno.test("http store: a body without a length is measured", async (t) => {
  const chunked = (body: string): Canned => ({
    raw: [
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${
        body.length.toString(16)
      }\r\n${body}\r\n0\r\n\r\n`,
    ],
  });
  await t.step("small: asked for once", () =>
    withStore([chunked("hello")], async (store, { requests }) => {
      const got = await store.get("k", { signal });
      assert.deepEqual([got.length, got.info.size, await text(got)], [5, 5, "hello"]);
      assert.equal(requests.length, 1);
    }));
  const large = "x".repeat(300_000);
  await t.step("large: asked for again", () =>
    withStore([chunked(large), chunked(large)], async (store) => {
      const got = await store.get("k", { signal });
      assert.equal(got.length, large.length);
      assert.equal(await text(got), large);
    }));
  for (const other of [`${large}y`, large.slice(1)]) {
    await t.step(
      `large, then ${other.length} bytes: an error`,
      () =>
        withStore([chunked(large), chunked(other)], async (store) => {
          await assert.rejects(
            async () => await text(await store.get("k", { signal })),
            codeIs("network", /another length/),
          );
        }),
    );
  }
  await t.step(
    "large, then one byte more: an error also for who reads no further than the length",
    () =>
      withStore([chunked(large), chunked(`${large}y`)], async (store) => {
        const { body, length } = await store.get("k", { signal });
        await assert.rejects(async () => {
          for (let left = length; left > 0;) left -= (await body.read(new Uint8Array(left)))!;
        }, codeIs("network", /another length/));
        body.close();
      }),
  );
  await t.step("head falls back on get", () =>
    withStore([reply(405), chunked("hello")], async (store) => {
      assert.equal((await store.head("k", { signal })).size, 5);
    }));
});

Deno.test("http store: redirects", async (t) => {
  const to = (location: string, status = 302) => reply(status, { Location: location }, "moved");
  await t.step(
    "relative and absolute ones are followed, credentials kept for the first host only",
    async () => {
      await using other = new Loopback(reply(200, {}, "there"));
      const asked: (readonly string[])[] = [];
      await withStore([to("../c?d", 307), to(`${other.url}/x`, 301)], async (store, { requests }) => {
        assert.equal(await text(await store.get("a/b", { signal })), "there");
        assert.deepEqual(requests.map(({ path }) => path), ["/a/b", "/c?d"]);
        assert.deepEqual(
          requests.map(({ headers }) => headers["authorization"]),
          Array(2).fill(`Basic ${btoa("me:p:w")}`),
        );
        assert.equal(other.requests[0]!.headers["authorization"], undefined);
        assert.deepEqual(asked.flat().at(-1), `${other.url}/x`);
      }, {
        user: "me:p%3Aw@",
        allow: (uris) => {
          asked.push(uris);
          return Promise.resolve();
        },
      });
    },
  );
  const refused: [string, Canned[], RegExp][] = [
    ["endless", Array.from({ length: 20 }, () => to("/k")), /more than 10/],
    ["to another scheme", [to("file:///etc/passwd")], /scheme "file:"/],
    ["to no URL", [to("http://[")], /no URL/],
    ["to a metadata address", [to("http://169.254.169.254/latest/meta-data/")], /metadata/],
    ["to one in other digits", [to("http://0xa9fea9fe/")], /metadata/],
  ];
  for (const [name, replies, pattern] of refused) {
    await t.step(`${name}: refused`, () =>
      withStore(replies, async (store) => {
        await assert.rejects(store.get("k", { signal }), codeIs("denied", pattern));
      }));
  }
  await t.step(
    "a run that may not reach the new host says so",
    () =>
      withStore([to("http://elsewhere.test/")], async (store) => {
        await assert.rejects(store.get("k", { signal }), codeIs("denied", /not allowed/));
      }, { allow: () => Promise.reject(new CopilotError("denied", "not allowed")) }),
  );
  await t.step("a redirect without Location is an error", () =>
    withStore([reply(302)], async (store) => {
      await assert.rejects(store.get("k", { signal }), codeIs("config", /302/));
    }));
  await t.step("never from https to http", async () => {
    const network: Network = { ...sys.network, startTls: (connection) => Promise.resolve(connection) };
    await using server = new Loopback(to("http://127.0.0.1/"));
    const context: BackendContext = {
      system: { ...sys, network },
      env: {},
      caCerts: [],
      allow: () => Promise.resolve(),
      signal: new AbortController().signal,
    };
    const uri = parseUri(`https://127.0.0.1:${server.port}/`, "the URL");
    const store = await backend.open(uri, { kind: "http", values: {}, secrets: {} }, context);
    await assert.rejects(store.get("k", { signal }), codeIs("denied", /from https to http/));
    store.close();
  });
});

Deno.test("http store: link-local and metadata addresses are refused", async (t) => {
  for (
    const host of [
      "169.254.169.254",
      "2852039166",
      "0xa9.254.169.254",
      "[::ffff:169.254.169.254]",
      "[fd00:ec2::254]",
    ]
  ) {
    await t.step(host, () =>
      withStore([], async (store) => {
        await assert.rejects(store.get("latest/meta-data", { signal }), codeIs("denied", /metadata/));
      }, { host }));
  }
  const resolved = (remoteAddress: string): Network => ({
    ...sys.network,
    connect: async (_hostname, port) =>
      Object.assign(await sys.network.connect("127.0.0.1", port), { remoteAddress }),
  });
  await t.step("a name that resolves there", () =>
    withStore([reply(200)], async (store, { requests }) => {
      await assert.rejects(store.get("k", { signal }), codeIs("denied", /169\.254\.169\.254/));
      assert.equal(requests.length, 0);
    }, { network: resolved("169.254.169.254") }));
  await t.step("allowed by setting", () =>
    withStore([reply(200, {}, "ok")], async (store) => {
      assert.equal(await text(await store.get("k", { signal })), "ok");
    }, { network: resolved("169.254.169.254"), allowLinkLocal: true }));
});

Deno.test("http store: read only", () =>
  withStore([], async (store) => {
    for (
      const call of [
        () => store.list("d/", { signal }),
        () => store.put("k", bytesSource(new Uint8Array(1)), { signal }),
        () => store.beginUpload("k", { signal }),
        () => store.delete("k", { signal }),
      ]
    ) await assert.rejects(call(), codeIs("unsupported", /Cannot (list|write|delete) "http:\/\/127/));
  }));

Deno.test("http store: credentials and queries are never shown", async () => {
  assert.equal(shownUri("https://u:p@h/a@b?X-Amz-Signature=1"), "https://h/a@b?***");
  await withStore([reply(404)], async (store) => {
    assert.doesNotMatch(store.root, /hunter2/);
    await assert.rejects(store.get("k", { signal }), (thrown) => {
      assert.doesNotMatch(`${thrown} ${(thrown as CopilotError).object}`, /hunter2/);
      return true;
    });
  }, { user: "me:hunter2@" });
});
