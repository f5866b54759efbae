import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { bytesSource } from "../../src/storage/store.ts";
import { serving, text, to } from "../support/http.ts";
import { reply } from "../support/loopback.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const body64k = "x".repeat(64 * 1024);

Deno.test("http client: bodies arrive whole in each framing", async (t) => {
  const cases: [string, (string | Uint8Array)[], string, boolean][] = [
    ["length", ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], "hello", true],
    ["length, in pieces", ["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhe", "llo"], "hello", true],
    ["length 0", ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], "", true],
    [
      "length given twice",
      ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"],
      "hi",
      true,
    ],
    ["large", [`HTTP/1.1 200 OK\r\nContent-Length: ${body64k.length}\r\n\r\n`, body64k], body64k, true],
    ["no reason phrase", ["HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n!"], "!", true],
    [
      "chunked",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"],
      "hello!",
      true,
    ],
    [
      "chunked, byte by byte",
      [..."HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
      "abc",
      true,
    ],
    [
      "chunked with extensions and trailers",
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n'],
      "hello",
      true,
    ],
    [
      "chunked, large chunks",
      [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        `10000\r\n${body64k}\r\n10000\r\n${body64k}\r\n0\r\n\r\n`,
      ],
      body64k + body64k,
      true,
    ],
    [
      "interim replies",
      ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"],
      "hi",
      true,
    ],
    ["204", ["HTTP/1.1 204 No Content\r\n\r\n"], "", true],
    ["304 with a length", ["HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"], "", true],
    [
      "Connection: close",
      ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"],
      "hi",
      false,
    ],
    ["HTTP/1.0", ["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"], "hi", false],
    [
      "HTTP/1.0 kept alive",
      ["HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi"],
      "hi",
      true,
    ],
    [
      "more bytes than announced",
      ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n"],
      "hi",
      false,
    ],
  ];
  for (const [name, raw, expected, kept] of cases) {
    await t.step(name, () =>
      serving([{ raw }, reply(200)], async (server, client) => {
        const first = await client.request(to(server));
        assert.equal(await text(first.body), expected);
        await text((await client.request(to(server))).body);
        assert.equal(server.connections, kept ? 1 : 2);
      }));
  }
  await t.step(
    "until the connection closes",
    () =>
      serving([{ raw: ["HTTP/1.1 200 OK\r\n\r\n", "hel", "lo"], close: true }], async (server, client) => {
        const { body, length } = await client.request(to(server));
        assert.equal(length, undefined);
        assert.equal(await text(body), "hello");
      }),
  );
  await t.step(
    "HEAD has none, and keeps its Content-Length",
    () =>
      serving(
        [{ raw: ["HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"] }, reply(200)],
        async (server, client) => {
          const { body, headers } = await client.request(to(server, { method: "HEAD" }));
          assert.equal(headers.get("Content-Length"), "500");
          assert.equal(await body.read(new Uint8Array(1)), null);
          await client.request(to(server));
          assert.equal(server.connections, 1);
        },
      ),
  );
});

Deno.test("http client: a reply that is broken or ambiguous is a network error", async (t) => {
  const ok = "HTTP/1.1 200 OK\r\n";
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
  const cases: [string, string, RegExp][] = [
    ["not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", /status line/],
    ["HTTP/2 preface", "HTTP/2 200\r\n\r\n", /status line/],
    ["lengths that differ", `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, /Content-Length/],
    ["negative length", `${ok}Content-Length: -1\r\n\r\n`, /Content-Length/],
    ["length past 2^53", `${ok}Content-Length: 9999999999999999\r\n\r\n`, /Content-Length/],
    ["length in hexadecimal", `${ok}Content-Length: 0x10\r\n\r\n`, /Content-Length/],
    ["length and chunks", `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, /both/],
    ["unknown coding", `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`, /Transfer-Encoding/],
    ["folded line", `${ok}A: b\r\n c\r\n\r\n`, /header line/],
    ["space before the colon", `${ok}Content-Length : 5\r\n\r\nhello`, /header line/],
    ["bare line feed", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", /carriage return/],
    ["carriage return in a value", `${ok}A: b\rc\r\n\r\n`, /control/],
    ["101", "HTTP/1.1 101 Switching\r\n\r\n", /101/],
    ["endless interim replies", "HTTP/1.1 100 Continue\r\n\r\n".repeat(40), /status 100/],
    ["head too large", `${ok}A: ${"x".repeat(70_000)}\r\n\r\n`, /larger than 65536/],
    ["head cut short", `${ok}Content-Le`, /closed before/],
    ["body cut short", `${ok}Content-Length: 10\r\n\r\nhello`, /after 5 of 10 bytes/],
    ["chunk size no number", `${chunked}xyz\r\n`, /chunk size/],
    ["chunk size with sign", `${chunked}-5\r\nhello\r\n`, /chunk size/],
    ["chunk size past 2^53", `${chunked}fffffffffffffffff\r\n`, /chunk size/],
    ["chunk longer than its size", `${chunked}2\r\nhello\r\n0\r\n\r\n`, /chunk/],
    ["chunk cut short", `${chunked}5\r\nhel`, /last chunk/],
    ["end of chunks missing", `${chunked}5\r\nhello\r\n`, /last chunk/],
    ["chunk line too long", `${chunked}5;${"x".repeat(5000)}\r\nhello\r\n0\r\n\r\n`, /longer than 4096/],
    ["endless trailers", `${chunked}0\r\n${`A: ${"x".repeat(1000)}\r\n`.repeat(80)}\r\n`, /trailers/],
  ];
  for (const [name, raw, pattern] of cases) {
    await t.step(name, () =>
      serving([{ raw: [raw], close: true }], async (server, client) => {
        await assert.rejects(async () => {
          const { body } = await client.request(to(server));
          await text(body);
        }, codeIs("network", pattern));
      }));
  }
});

Deno.test("http client: requests are sent as given, in one write", () =>
  serving([reply(200), reply(200), reply(200)], async (server, client) => {
    const path = "/b/a%20b/../c//d?list-type=2&prefix=%23";
    const headers = [["X-A", "1"], ["x-amz-meta-ü", "ü"]] as const;
    await client.request(to(server, { path, headers: headers.slice(0, 1), method: "DELETE" }));
    await client.request(to(server, { method: "PUT", body: encoder.encode("bytes") }));
    const source = bytesSource(encoder.encode("stream"));
    await client.request(
      to(server, { method: "PUT", body: { length: source.size, open: () => source.open() } }),
    );
    const [first, second, third] = server.requests;
    assert.equal(first!.path, path);
    assert.equal(first!.headers["x-a"], "1");
    assert.equal(first!.headers["host"], `127.0.0.1:${server.port}`);
    assert.equal(first!.headers["content-length"], undefined);
    assert.equal(decoder.decode(second!.body), "bytes");
    assert.equal(second!.headers["content-length"], "5");
    assert.equal(decoder.decode(third!.body), "stream");
  }));

Deno.test("http client: a header or path that would break its line is refused", () =>
  serving([], async (server, client) => {
    await assert.rejects(
      client.request(to(server, { path: "/a b" })),
      codeIs("internal", /percent-encoded/),
    );
    await assert.rejects(
      client.request(to(server, { path: "/ü" })),
      codeIs("internal", /percent-encoded/),
    );
    const headers = [["If-Match", "a\r\nX-B: c"]] as const;
    await assert.rejects(client.request(to(server, { headers })), codeIs("internal", /line break/));
    assert.equal(server.requests.length, 0);
  }));

Deno.test("http client: large bodies are streamed with their exact length", async (t) => {
  const bytes = new Uint8Array(1_000_003).map((_, i) => i * 31);
  await t.step("whole", () =>
    serving([reply(200)], async (server, client) => {
      const source = bytesSource(bytes);
      const body = { length: bytes.length, open: () => source.open() };
      assert.equal((await client.request(to(server, { method: "PUT", body }))).status, 200);
      assert.deepEqual(server.requests[0]!.body, bytes);
    }));
  for (const [name, length] of [["fewer", bytes.length + 1], ["more", bytes.length - 1]] as const) {
    await t.step(
      `${name} bytes than announced: changed, and the request is never complete`,
      () =>
        serving([reply(200)], async (server, client) => {
          const body = { length, open: () => bytesSource(bytes).open() };
          await assert.rejects(
            client.request(to(server, { method: "PUT", body })),
            codeIs("changed", /announced/),
          );
          assert.equal(server.requests[0]?.body.length ?? 0, 0);
        }),
    );
  }
  await t.step(
    "fewer and more bytes of a small body: nothing is sent",
    () =>
      serving([], async (server, client) => {
        for (const length of [4, 6]) {
          const body = { length, open: () => bytesSource(encoder.encode("12345")).open() };
          await assert.rejects(
            client.request(to(server, { method: "PUT", body })),
            codeIs("changed", /announced/),
          );
        }
        assert.equal(server.requests.length, 0);
      }),
  );
  await t.step(
    "a source that fails: its own error, its reader closed",
    () =>
      serving([reply(200)], async (server, client) => {
        let closed = 0;
        const open = () => ({
          read: () => Promise.reject(new Error("disk on fire")),
          close: () => void closed++,
        });
        await assert.rejects(
          client.request(to(server, { method: "PUT", body: { length: 1e6, open } })),
          /disk on fire/,
        );
        assert.equal(closed, 1);
      }),
  );
});

Deno.test("http client: an answer during the upload is heard", async (t) => {
  const size = 64 << 20;
  const open = () => {
    let left = size;
    return {
      read(into: Uint8Array) {
        const count = Math.min(left, into.length);
        left -= count;
        return Promise.resolve(count === 0 ? null : count);
      },
      close() {},
    };
  };
  const put = { method: "PUT", body: { length: size, open } };
  for (const status of [403, 503]) {
    await t.step(
      `${status}, the connection stays open`,
      () =>
        serving([{ ...reply(status, {}, "no"), beforeBody: true }, reply(200)], async (server, client) => {
          const answer = await client.request(to(server, put));
          assert.equal(answer.status, status);
          assert.equal(await text(answer.body), "no");
          await client.request(to(server));
          assert.equal(server.connections, 2, "half a body was sent: the connection cannot be used again");
        }),
    );
  }
  await t.step(
    "success before the whole body was sent is no success",
    () =>
      serving([{ ...reply(200), beforeBody: true }], async (server, client) => {
        await assert.rejects(
          client.request(to(server, put)),
          codeIs("network", /before the body was sent/),
        );
      }),
  );
  await t.step(
    "a server that just closes: network",
    () =>
      serving([{ raw: [], beforeBody: true, close: true }], async (server, client) => {
        await assert.rejects(client.request(to(server, put)), codeIs("network", /./));
      }),
  );
});
