import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { framing, keepsAlive, parseHead, retryAfterMs } from "../../src/http/head.ts";
import { parseHttpUrl } from "../../src/http/origin.ts";
import { proxyFor } from "../../src/http/proxy.ts";

const encoder = new TextEncoder();

Deno.test("proxyFor: which origins are reached directly", () => {
  const cases: [string, string, boolean][] = [
    ["http://s3.test/", "", true],
    ["http://s3.test/", "*", false],
    ["http://s3.test/", "other.test, s3.test", false],
    ["http://a.s3.test/", "s3.test", false],
    ["http://a.s3.test/", ".s3.test", false],
    ["http://a.s3.test/", "*.s3.test", false],
    ["http://as3.test/", "s3.test", true],
    ["http://s3.test:9000/", "s3.test:9000", false],
    ["http://s3.test:9001/", "s3.test:9000", true],
    ["http://10.1.2.3/", "10.0.0.0/8", false],
    ["http://11.1.2.3/", "10.0.0.0/8", true],
    ["http://[2001:db8::1]/", "2001:db8::1", false],
    ["http://[2001:db8::1]:81/", "[2001:db8::1]:81", false],
    ["http://localhost/", "", false],
    ["http://127.0.0.1:9000/", "", false],
    ["http://169.254.169.254/", "", false],
    ["https://s3.test/", "", false],
  ];
  for (const [url, noProxy, proxied] of cases) {
    const { origin } = parseHttpUrl(url, "url");
    const proxy = proxyFor({ HTTP_PROXY: "proxy.test:3128", NO_PROXY: noProxy }, origin);
    assert.equal(proxy !== null, proxied, `${url} with NO_PROXY=${noProxy}`);
    if (proxy !== null) assert.equal(proxy.origin.key, "http://proxy.test:3128");
  }
  const { origin } = parseHttpUrl("http://s3.test/", "url");
  assert.equal(proxyFor({ HTTP_PROXY: "http://a", http_proxy: "http://b" }, origin)!.origin.hostname, "b");
  // An empty variable is none, whichever spelling it has.
  assert.equal(proxyFor({ HTTP_PROXY: "http://a", http_proxy: "" }, origin)!.origin.hostname, "a");
  assert.equal(proxyFor({ HTTP_PROXY: "http://a", NO_PROXY: "s3.test", no_proxy: "" }, origin), null);
});

Deno.test("parseHttpUrl: parts are kept as written", () => {
  const cases: [string, string, string, string][] = [
    ["http://H.test", "http://h.test:80", "h.test", "/"],
    ["https://h.test:443/a%20b/../c//d?x=%2F#frag", "https://h.test:443", "h.test", "/a%20b/../c//d?x=%2F"],
    ["https://h.test:8443?q", "https://h.test:8443", "h.test:8443", "/?q"],
    ["http://[::1]:9000/k", "http://[::1]:9000", "[::1]:9000", "/k"],
    ["http://h/ü 1|2", "http://h:80", "h", "/%C3%BC%201%7C2"],
  ];
  for (const [url, key, authority, path] of cases) {
    const parsed = parseHttpUrl(url, "url");
    assert.deepEqual([parsed.origin.key, parsed.origin.authority, parsed.path], [key, authority, path]);
  }
  assert.equal(parseHttpUrl("http://[::1]/", "url").origin.hostname, "::1");
  assert.equal(parseHttpUrl("http://u:p%20w@h/", "url").authorization, `Basic ${btoa("u:p w")}`);
  for (
    const bad of [
      "",
      "h.test",
      "ftp://h",
      "http://",
      "http://a b/",
      "http://user:secret@/",
      "http://h:99999/",
    ]
  ) {
    assert.throws(() => parseHttpUrl(bad, "--endpoint"), (thrown) => {
      assert.doesNotMatch(`${thrown}`, /secret/);
      return codeIs("config", /--endpoint/)(thrown);
    });
  }
});

Deno.test("head: what a head says about its body and connection", () => {
  const head = (...lines: string[]) => parseHead(encoder.encode([...lines, "", ""].join("\r\n")));
  assert.deepEqual(framing("GET", head("HTTP/1.1 200 OK", "transfer-encoding: Chunked")), {
    kind: "chunked",
  });
  assert.deepEqual(framing("GET", head("HTTP/1.1 200 OK")), { kind: "close" });
  assert.deepEqual(framing("HEAD", head("HTTP/1.1 200 OK", "Content-Length: 7")), {
    kind: "length",
    length: 0,
  });
  assert.throws(() => framing("GET", head("HTTP/1.0 200 OK", "Transfer-Encoding: chunked")), CopilotError);
  assert.equal(keepsAlive(head("HTTP/1.1 200 OK", "Connection: foo, Close")), false);
  assert.equal(head("HTTP/1.1 200 OK", "A:1", "a: 2").headers.get("A"), "1, 2");
});

Deno.test("retryAfterMs: seconds and dates", () => {
  const now = Date.UTC(2026, 0, 1);
  const cases: [string | undefined, number | undefined][] = [
    [undefined, undefined],
    ["3", 3000],
    ["0", 0],
    ["1.5", 1500],
    ["Thu, 01 Jan 2026 00:00:07 GMT", 7000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
  ];
  for (const [value, expected] of cases) assert.equal(retryAfterMs(value, now), expected, value);
});
