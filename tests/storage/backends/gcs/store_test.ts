import assert from "assert";
import { CopilotError } from "../../../../src/errors.ts";
import { codeIs } from "../../../support/errors.ts";
import type { StoreSettings } from "../../../../src/config/mod.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import { backend } from "../../../../src/storage/backends/gcs/mod.ts";
import { type ByteSource, bytesSource, type ObjectStore } from "../../../../src/storage/store.ts";
import { sys } from "../../../../src/system/deno.ts";
import { LIVE, text } from "../../../support/http.ts";
import { type Canned, Loopback, reply } from "../../../support/loopback.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CALL = { signal: LIVE };
const SETTINGS: StoreSettings = { kind: "google", values: {}, secrets: {} };
const FIELDS = "fields=name%2Csize%2Cgeneration%2Ccrc32c%2Cmd5Hash";
/** CRC32C of "123456789", as RFC 3720 has it. */
const CRC32C = "4waSgw==";

function json(body: unknown, status = 200): Canned {
  return reply(status, { "Content-Type": "application/json" }, JSON.stringify(body));
}

function resource(name: string, size: number, rest: Record<string, string> = {}) {
  return { name, size: String(size), generation: "7", ...rest };
}

/** Runs `test` on the bucket "bucket" of a server with canned replies. */
async function serving(
  replies: Canned[],
  test: (store: ObjectStore, server: Loopback) => Promise<void>,
  base = "",
): Promise<void> {
  await using server = new Loopback(...replies);
  const context: BackendContext = {
    system: sys,
    env: { STORAGE_EMULATOR_HOST: server.url + base },
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: LIVE,
  };
  const store = await backend.open(
    { scheme: "gs", container: "bucket", host: "", key: "" },
    SETTINGS,
    context,
  );
  try {
    await test(store, server);
  } finally {
    store.close();
  }
}

function source(content: string): ByteSource {
  return bytesSource(encoder.encode(content));
}

// ---------------------------------------------------------------- names

for (
  const [key, encoded] of [
    ["a/b.txt", "a%2Fb.txt"],
    ["a b", "a%20b"],
    ["a%20b", "a%2520b"],
    ["#?&=+", "%23%3F%26%3D%2B"],
    ["it's (1)!*", "it%27s%20%281%29%21%2A"],
    ["../x//./y/", "..%2Fx%2F%2F.%2Fy%2F"],
    ["grüße/😀", "gr%C3%BC%C3%9Fe%2F%F0%9F%98%80"],
    ["tab\tline\n", "tab%09line%0A"],
    ["-._~", "-._~"],
  ] as const
) {
  Deno.test(`gcs: the key ${JSON.stringify(key)} is encoded exactly once`, async () => {
    const got = reply(200, { "x-goog-generation": "7" }, "x");
    const listed = json({ items: [resource(`${key}z`, 1)] });
    const replies = [got, json(resource(key, 1)), json({}), json(resource(key, 1)), listed];
    await serving(replies, async (store, { requests }) => {
      (await store.get(key, CALL)).body.close();
      await store.head(key, CALL);
      await store.delete(key, CALL);
      await store.put(key, source("x"), CALL);
      assert.deepEqual((await store.list(key, CALL)).objects.map((object) => object.key), [`${key}z`]);
      const object = `/storage/v1/b/bucket/o/${encoded}`;
      assert.deepEqual(requests.map(({ method, path }) => `${method} ${path}`), [
        `GET ${object}?alt=media`,
        `GET ${object}?${FIELDS}`,
        `DELETE ${object}`,
        `POST /upload/storage/v1/b/bucket/o?name=${encoded}&uploadType=multipart&${FIELDS}`,
        `GET /storage/v1/b/bucket/o?prefix=${encoded}&maxResults=1000&fields=nextPageToken%2Citems%28name%2Csize%2C` +
        `generation%2Ccrc32c%2Cmd5Hash%29`,
      ]);
    });
  });
}

for (const key of [".", "..", "\ud800", "a\udc00"]) {
  Deno.test(`gcs: the key ${JSON.stringify(key)} is refused before anything is sent`, async () => {
    await serving([], async (store, { requests }) => {
      await assert.rejects(store.get(key, CALL), codeIs("input", /^Cannot use the key/));
      await assert.rejects(store.put(key, source("x"), CALL), codeIs("input", /^Cannot use the key/));
      assert.deepEqual(requests, []);
    });
  });
}

Deno.test("gcs: the endpoint's own path goes ahead", async () => {
  await serving([json(resource("k", 1))], async (store, { requests }) => {
    await store.head("k", CALL);
    assert.equal(requests[0]!.path, `/prefix/storage/v1/b/bucket/o/k?${FIELDS}`);
  }, "/prefix/");
});

// ---------------------------------------------------------------- reads

Deno.test("gcs: bytes come as they are stored, packed ones too, with version and checksum", async () => {
  const packed = new Uint8Array([31, 139, 8, 0, 1, 2, 3]);
  const headers = {
    "Content-Encoding": "gzip",
    "x-goog-stored-content-encoding": "gzip",
    "x-goog-stored-content-length": "7",
    "x-goog-generation": "1700000000000001",
    "x-goog-hash": `md5=XrY7u+Ae7tCTyyK7j1rNww==,crc32c=${CRC32C}`,
  };
  await serving([reply(200, headers, packed)], async (store, { requests }) => {
    const got = await store.get("k", CALL);
    assert.deepEqual(got.info, {
      key: "k",
      size: 7,
      etag: "1700000000000001",
      checksum: { name: "crc32c", hex: "e3069283" },
    });
    const into = new Uint8Array(100);
    assert.equal(await got.body.read(into), 7);
    assert.deepEqual(into.subarray(0, 7), packed);
    assert.equal(requests[0]!.headers["accept-encoding"], "gzip");
    assert.equal(requests[0]!.headers["range"], undefined);
    assert.equal(requests[0]!.headers["authorization"], undefined);
  });
});

Deno.test("gcs: an object that something unpacks on the way is an error", async () => {
  const headers = { "x-goog-stored-content-length": "7", "x-goog-stored-content-encoding": "gzip" };
  await serving([reply(200, headers, "unpacked bytes")], async (store) => {
    await assert.rejects(
      store.get("k", CALL),
      codeIs("integrity", /got 14 bytes of an object of 7: something on the way changes them/),
    );
  });
});

Deno.test("gcs: an object composed of others has no MD5, one without CRC32C has one", async () => {
  const md5 = reply(200, { "x-goog-hash": "md5=XrY7u+Ae7tCTyyK7j1rNww==" }, "x");
  const none = reply(200, { "x-goog-hash": "crc32c=?,md5=AAAA" }, "x");
  await serving([md5, none], async (store) => {
    const { info } = await store.get("k", CALL);
    assert.deepEqual(info.checksum, { name: "md5", hex: "5eb63bbbe01eeed093cb22bb8f5acdc3" });
    assert.equal((await store.get("k", CALL)).info.checksum, undefined);
  });
});

Deno.test("gcs: a range is asked for, pinned, and checked against what came", async () => {
  const headers = {
    "Content-Range": "bytes 2-4/10",
    "x-goog-generation": "9",
    "x-goog-hash": `crc32c=${CRC32C}`,
  };
  await serving([reply(206, headers, "cde")], async (store, { requests }) => {
    const got = await store.get("k", { ...CALL, start: 2, end: 5, ifMatch: "9" });
    assert.deepEqual([got.start, got.length, got.info], [2, 3, { key: "k", size: 10, etag: "9" }]);
    assert.equal(await text(got.body), "cde");
    assert.equal(requests[0]!.headers["range"], "bytes=2-4");
    assert.equal(requests[0]!.path, "/storage/v1/b/bucket/o/k?alt=media&ifGenerationMatch=9");
  });
});

for (
  const [what, code, canned] of [
    ["another range", "unsupported", reply(206, { "Content-Range": "bytes 3-5/10" }, "def")],
    ["a range that says nothing", "unsupported", reply(206, {}, "cde")],
    ["a range longer than its reply", "unsupported", reply(206, { "Content-Range": "bytes 2-4/10" }, "cd")],
    [
      "another generation",
      "changed",
      reply(206, { "Content-Range": "bytes 2-4/10", "x-goog-generation": "8" }, "cde"),
    ],
    ["no generation", "changed", reply(206, { "Content-Range": "bytes 2-4/10" }, "cde")],
    ["the whole of another generation", "changed", reply(200, { "x-goog-generation": "8" }, "abcdefghij")],
  ] as const
) {
  Deno.test(`gcs: a reply with ${what} is ${code}`, async () => {
    await serving([canned], async (store) => {
      await assert.rejects(
        store.get("k", { ...CALL, start: 2, end: 5, ifMatch: "9" }),
        codeIs(code, /"gs:\/\/bucket\/k"/),
      );
    });
  });
}

Deno.test("gcs: a range past the end is empty, and says how large the object is", async () => {
  await serving([reply(416, {}, "x"), json(resource("k", 10))], async (store) => {
    const got = await store.get("k", { ...CALL, start: 10 });
    assert.deepEqual([got.start, got.length, got.info.size], [10, 0, 10]);
    assert.equal(await got.body.read(new Uint8Array(1)), null);
  });
});

Deno.test("gcs: a range past the end of another version is changed", async () => {
  await serving([reply(416, {}, "x"), json(resource("k", 10))], async (store) => {
    await assert.rejects(
      store.get("k", { ...CALL, start: 10, ifMatch: "6" }),
      codeIs("changed", /generation 7, expected 6/),
    );
  });
});

// ---------------------------------------------------------------- refusals

const GOOGLE_ERROR = (code: number, reason: string, message = "Words.") => ({
  error: { code, message, errors: [{ reason, message }] },
});

for (
  const [status, body, code, pattern] of [
    [400, GOOGLE_ERROR(400, "invalid"), "config", /status 400 invalid \(Words\)$/],
    [401, GOOGLE_ERROR(401, "required"), "denied", /check the Google credentials/],
    [403, GOOGLE_ERROR(403, "forbidden"), "denied", /status 403 forbidden \(Words\); check the IAM policy/],
    [403, GOOGLE_ERROR(403, "userRateLimitExceeded"), "throttled", /userRateLimitExceeded/],
    [404, "No such object: bucket/k", "not-found", /status 404 \(No such object: bucket\/k\)$/],
    [408, "", "unavailable", /status 408$/],
    [412, GOOGLE_ERROR(412, "conditionNotMet"), "changed", /status 412/],
    [429, GOOGLE_ERROR(429, "rateLimitExceeded"), "throttled", /status 429/],
    [500, GOOGLE_ERROR(500, "backendError"), "unavailable", /status 500/],
    [503, "<html>\nover\u0007loaded</html>", "throttled", /status 503 \(<html> over loaded<\/html>\)/],
    [301, "", "config", /status 301$/],
    [304, "", "config", /status 304$/],
  ] as const
) {
  const shown = typeof body === "string" ? "" : ` ${body.error.errors[0]!.reason}`;
  Deno.test(`gcs: status ${status}${shown} is ${code}`, async () => {
    const canned = () => typeof body === "string" ? reply(status, {}, body) : json(body, status);
    await serving([canned(), canned(), canned()], async (store) => {
      await assert.rejects(store.get("k", CALL), codeIs(code, pattern));
      await assert.rejects(store.list("k", CALL), codeIs(code, pattern));
      await assert.rejects(store.put("k", source("x"), CALL), codeIs(code, pattern));
    });
  });
}

Deno.test("gcs: what Retry-After asks for is in the error, with the status and the URI", async () => {
  await serving([reply(429, { "Retry-After": "3" }, "")], async (store) => {
    const thrown = await store.head("k", CALL).catch((error) => error);
    assert(thrown instanceof CopilotError);
    assert.deepEqual([thrown.retryAfterMs, thrown.status, thrown.object], [3000, 429, "gs://bucket/k"]);
  });
});

Deno.test("gcs: a missing object is deleted, a missing bucket is not listed", async () => {
  await serving([reply(404), reply(404)], async (store) => {
    await store.delete("k", CALL);
    await assert.rejects(store.list("", CALL), codeIs("not-found", /^Cannot list "gs:\/\/bucket\/"/));
  });
});

// ---------------------------------------------------------------- listings

Deno.test("gcs: pages follow each other by their tokens, empty ones too", async () => {
  const pages = [
    json({ items: [resource("a/1", 1, { crc32c: CRC32C })], nextPageToken: "a/+1=" }),
    json({ nextPageToken: "t2" }),
    json({ items: [resource("a/2", 0)] }),
  ];
  await serving(pages, async (store, { requests }) => {
    const first = await store.list("a/", CALL);
    assert.deepEqual(first, {
      objects: [{ key: "a/1", size: 1, etag: "7", checksum: { name: "crc32c", hex: "e3069283" } }],
      next: "a/+1=",
    });
    assert.deepEqual(await store.list("a/", { ...CALL, token: first.next! }), { objects: [], next: "t2" });
    const last = await store.list("a/", { ...CALL, token: "t2" });
    assert.deepEqual(last, { objects: [{ key: "a/2", size: 0, etag: "7" }] });
    assert.match(requests[1]!.path, /&pageToken=a%2F%2B1%3D&/);
  });
});

for (
  const [what, body] of [
    ["no JSON", "<html>"],
    ["a list", "[]"],
    ["items that are no list", '{"items":{}}'],
    ["an item without name", '{"items":[{"size":"1"}]}'],
    ["an item whose size is no number", '{"items":[{"name":"a/1","size":"-1"}]}'],
    ["an item whose size is no text", '{"items":[{"name":"a/1","size":1}]}'],
    ["a name outside the prefix", '{"items":[{"name":"../a/1","size":"1"}]}'],
    ["null items", '{"items":null}'],
    ["a token that is no text", '{"nextPageToken":{}}'],
  ] as const
) {
  Deno.test(`gcs: a listing with ${what} is an error that may pass`, async () => {
    await serving([reply(200, {}, body)], async (store) => {
      await assert.rejects(
        store.list("a/", { ...CALL, token: "t" }),
        codeIs("unavailable", /^Cannot list "gs:\/\/bucket\/a\/": malformed reply/),
      );
    });
  });
}

// ---------------------------------------------------------------- small uploads

Deno.test("gcs: an object goes up in one request that declares its CRC32C", async () => {
  await serving([json(resource("k", 9, { crc32c: CRC32C }))], async (store, { requests }) => {
    const info = await store.put("k", source("123456789"), CALL);
    assert.deepEqual(info, { key: "k", size: 9, etag: "7", checksum: { name: "crc32c", hex: "e3069283" } });
    const { headers, body } = requests[0]!;
    const boundary = /^multipart\/related; boundary=([0-9a-f]{32})$/.exec(headers["content-type"]!)?.[1];
    assert.equal(
      decoder.decode(body),
      `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{"crc32c":"${CRC32C}"}\r\n` +
        `--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n123456789\r\n--${boundary}--\r\n`,
    );
  });
});

Deno.test("gcs: bytes that the store calculates another CRC32C of are an integrity error", async () => {
  const words = 'Provided CRC32C "4waSgw==" doesn\'t match calculated CRC32C "AAAAAA==".';
  await serving([json(GOOGLE_ERROR(400, "invalid", words), 400)], async (store) => {
    await assert.rejects(store.put("k", source("x"), CALL), codeIs("integrity", /Provided CRC32C/));
  });
});

for (
  const [what, canned] of [
    ["another name", json(resource("other", 1))],
    ["another size", json(resource("k", 2))],
    ["nothing", reply(200, {}, "")],
  ] as const
) {
  Deno.test(`gcs: a reply with ${what} to an upload is an error that may pass`, async () => {
    await serving([canned], async (store) => {
      await assert.rejects(
        store.put("k", source("x"), CALL),
        codeIs("unavailable", /^Cannot store "gs:\/\/bucket\/k"/),
      );
    });
  });
}
