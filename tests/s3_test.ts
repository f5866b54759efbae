import assert from "assert";
import { Secret } from "../src/config.ts";
import type { CopilotError } from "../src/errors.ts";
import type { BackendContext } from "../src/storage/backend.ts";
import { addressOf } from "../src/storage/backends/s3/address.ts";
import { type Credentials, CredentialSource } from "../src/storage/backends/s3/credentials.ts";
import { S3Store } from "../src/storage/backends/s3/store.ts";
import { clientFor } from "../src/storage/http/client.ts";
import { bytesSource, readAll } from "../src/storage/store.ts";
import { sys } from "../src/sys.ts";
import { failsWith, LIVE } from "./http_fixtures.ts";
import { type Canned, Loopback, reply, type SeenRequest } from "./loopback.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LARGE = new Uint8Array(600_000).map((_, i) => (i * 7919) >> 3);
/** CRC32 of LARGE, computed with another implementation. */
const LARGE_CRC = "HjMc6A==";
const ETAG = { etag: '"abc-1"' };
const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

function refusal(status: number, code: string, message = "", headers: Record<string, string> = {}): Canned {
  return reply(status, headers, `<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}

/** A store on a server with canned replies. */
async function withStore(
  replies: Canned[],
  test: (store: S3Store, server: Loopback) => Promise<void>,
  options: { credentials?: Credentials[] } = {},
): Promise<void> {
  await using server = new Loopback(...replies);
  const end = new AbortController();
  const context: BackendContext = {
    system: { ...sys, clock: { ...sys.clock, nowMs: () => NOW_MS } },
    env: {},
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: end.signal,
  };
  const given = options.credentials ?? [{ accessKeyId: "id", secretAccessKey: new Secret("s3cr3t") }];
  const provider = {
    name: "test",
    isFixed: given.length === 1,
    fetch: () => Promise.resolve(given.shift()!),
  };
  const store = new S3Store({
    address: addressOf(
      "bucket",
      { kind: "s3", values: { endpoint: server.url, region: "r1" }, secrets: {} },
      {},
    ),
    credentials: new CredentialSource(provider, () => NOW_MS),
    http: clientFor(context),
    context,
  });
  try {
    await test(store, server);
  } finally {
    store.close();
  }
}

/** What an aws-chunked body holds: sizes of its chunks, its bytes, its trailer. */
function unframe({ body }: SeenRequest): { sizes: number[]; bytes: Uint8Array; trailer: string } {
  const sizes: number[] = [];
  const chunks: Uint8Array[] = [];
  for (let at = 0;;) {
    const line = decoder.decode(body.subarray(at, body.indexOf(13, at)));
    const size = parseInt(line, 16);
    at += line.length + 2;
    if (size === 0) {
      return {
        sizes,
        bytes: new Uint8Array(chunks.flatMap((chunk) => [...chunk])),
        trailer: decoder.decode(body.subarray(at)),
      };
    }
    sizes.push(size);
    chunks.push(body.subarray(at, at + size));
    assert.equal(decoder.decode(body.subarray(at + size, at + size + 2)), "\r\n");
    at += size + 2;
  }
}

Deno.test("s3 put: small bodies carry their CRC32 in a header", () =>
  withStore([reply(200, ETAG), reply(200, ETAG)], async (store, { requests }) => {
    const info = await store.put("a b#?.txt", bytesSource(encoder.encode("123456789")), { signal: LIVE });
    assert.deepEqual([info.key, info.size, info.etag], ["a b#?.txt", 9, '"abc-1"']);
    assert.equal(requests[0]!.path, "/bucket/a%20b%23%3F.txt");
    assert.equal(requests[0]!.headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    assert.equal(requests[0]!.headers["content-encoding"], undefined);
    assert.equal(decoder.decode(requests[0]!.body), "123456789");
    const checksum = { name: "md5" as const, hex: "25f9e794323b453885f5181f1b624d0b" };
    await store.put("k", bytesSource(encoder.encode("123456789")), { signal: LIVE, checksum });
    assert.equal(requests[1]!.headers["content-md5"], "JfnnlDI7RTiF9RgfG2JNCw==");
  }));

Deno.test("s3 put: large bodies are framed, their CRC32 behind them", () =>
  withStore([reply(200, { ...ETAG, "x-amz-checksum-crc32": LARGE_CRC })], async (store, { requests }) => {
    const info = await store.put("k", bytesSource(LARGE), { signal: LIVE });
    assert.deepEqual(info.checksum, { name: "crc32", hex: "1e331ce8" });
    const request = requests[0]!;
    assert.equal(request.headers["x-amz-decoded-content-length"], "600000");
    assert.equal(request.headers["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert.equal(request.headers["content-length"], String(request.body.length));
    const { sizes, bytes, trailer } = unframe(request);
    assert.deepEqual(sizes, [262144, 262144, 75712]);
    assert.deepEqual(bytes, LARGE);
    assert.equal(trailer, `x-amz-checksum-crc32:${LARGE_CRC}\r\n\r\n`);
  }));

Deno.test("s3 put: a store that refuses trailers or checksums is served without, and remembered", async (t) => {
  const put = (store: S3Store) => store.put("k", bytesSource(LARGE), { signal: LIVE });
  await t.step(
    "trailer refused: the checksum goes ahead in a header",
    () =>
      withStore(
        [refusal(501, "NotImplemented"), reply(200, ETAG), reply(200, ETAG)],
        async (store, { requests }) => {
          await put(store);
          await put(store);
          assert.deepEqual(
            requests.map(({ headers }) => headers["x-amz-trailer"] ?? headers["x-amz-checksum-crc32"]),
            [
              "x-amz-checksum-crc32",
              LARGE_CRC,
              LARGE_CRC,
            ],
          );
          assert.deepEqual(requests[1]!.body, LARGE);
        },
      ),
  );
  await t.step("checksums refused: none", () =>
    withStore(
      [
        refusal(400, "InvalidArgument"),
        refusal(400, "InvalidRequest", "Unknown checksum"),
        reply(200),
        reply(200),
      ],
      async (store, { requests }) => {
        await put(store);
        await put(store);
        assert.equal(requests.length, 4);
        assert.equal(requests[2]!.headers["x-amz-checksum-crc32"], undefined);
        assert.deepEqual(requests[3]!.body, LARGE);
      },
    ));
  await t.step(
    "a trailer that is not given back may have been stored as bytes: sent again without",
    () =>
      withStore([reply(200, ETAG), reply(200, ETAG)], async (store, { requests }) => {
        await put(store);
        assert.deepEqual(requests[1]!.body, LARGE);
      }),
  );
  await t.step(
    "damage on the way is no refusal",
    () =>
      withStore(
        [refusal(400, "BadDigest", "The checksum you specified did not match")],
        async (store, { requests }) => {
          await assert.rejects(put(store), failsWith("integrity", /BadDigest/));
          assert.equal(requests.length, 1);
        },
      ),
  );
  await t.step(
    "another checksum given back: integrity",
    () =>
      withStore([reply(200, { "x-amz-checksum-crc32": "AAAAAA==" })], async (store) => {
        await assert.rejects(put(store), failsWith("integrity", /has bytes with crc32 00000000/));
      }),
  );
});

Deno.test("s3 put: a wrong key costs one more request, and is denied", () =>
  withStore(
    Array.from({ length: 3 }, () => refusal(403, "SignatureDoesNotMatch")),
    async (store, { requests }) => {
      await assert.rejects(
        store.put("k", bytesSource(LARGE), { signal: LIVE }),
        failsWith("denied", /secret_key/),
      );
      assert.equal(requests.length, 2);
    },
  ));

Deno.test("s3 put: a source of another length: changed, and no request is completed", async (t) => {
  for (const size of [LARGE.length + 1, LARGE.length - 1, 10]) {
    await t.step(`${size}`, () =>
      withStore([reply(200)], async (store, { requests }) => {
        const source = { size, open: () => bytesSource(LARGE).open() };
        await assert.rejects(store.put("k", source, { signal: LIVE }), failsWith("changed", /announced/));
        assert.equal(requests[0]?.body.length ?? 0, 0);
      }));
  }
});

Deno.test("s3 get: information comes from the reply, without HEAD", () =>
  withStore(
    [reply(200, { ETag: '"e"', "x-amz-checksum-crc32": "y/Q5Jg==" }, "123456789")],
    async (store, { requests }) => {
      const got = await store.get("k", { signal: LIVE });
      assert.deepEqual(got.info, {
        key: "k",
        size: 9,
        etag: '"e"',
        checksum: { name: "crc32", hex: "cbf43926" },
      });
      assert.equal(decoder.decode(await readAll(got.body, 99, () => new Error())), "123456789");
      assert.equal(requests[0]!.headers["x-amz-checksum-mode"], "ENABLED");
      assert.equal(requests[0]!.headers["range"], undefined);
    },
  ));

Deno.test("s3 get: ranges", async (t) => {
  const ranged = (contentRange: string, body: string) =>
    reply(206, { "Content-Range": contentRange, ETag: '"e"' }, body);
  await t.step("as asked", () =>
    withStore([ranged("bytes 2-4/9", "345")], async (store, { requests }) => {
      const got = await store.get("k", { signal: LIVE, start: 2, end: 5, ifMatch: '"e"' });
      assert.deepEqual([got.start, got.length, got.info.size], [2, 3, 9]);
      assert.equal(requests[0]!.headers["range"], "bytes=2-4");
      assert.equal(requests[0]!.headers["if-match"], '"e"');
      got.body.close();
    }));
  await t.step(
    "a store that ignores ranges gives everything, and says so",
    () =>
      withStore([reply(200, {}, "123456789")], async (store) => {
        const got = await store.get("k", { signal: LIVE, start: 2 });
        assert.deepEqual([got.start, got.length], [0, 9]);
        got.body.close();
      }),
  );
  for (const wrong of ["bytes 1-3/9", "bytes 2-5/9", "bytes 2-3/9", "bytes 2-4/*", "bytes */9", ""]) {
    await t.step(
      `a range that was not asked for ("${wrong}") is a network error`,
      () =>
        withStore([ranged(wrong, "345")], async (store) => {
          await assert.rejects(
            store.get("k", { signal: LIVE, start: 2, end: 5 }),
            failsWith("network", /does not fit/),
          );
        }),
    );
  }
  await t.step(
    "past the end: nothing, with the object's information",
    () =>
      withStore(
        [refusal(416, "InvalidRange"), { raw: ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"] }],
        async (store, { requests }) => {
          const got = await store.get("k", { signal: LIVE, start: 9 });
          assert.deepEqual([got.start, got.length, got.info.size], [9, 0, 9]);
          assert.equal(await got.body.read(new Uint8Array(1)), null);
          assert.equal(requests[1]!.method, "HEAD");
        },
      ),
  );
  await t.step(
    "another version: changed",
    () =>
      withStore([refusal(412, "PreconditionFailed")], async (store) => {
        await assert.rejects(store.get("k", { signal: LIVE, ifMatch: '"x"' }), failsWith("changed", /412/));
      }),
  );
});

Deno.test("s3: what a refusal teaches is used once", async (t) => {
  const get = (store: S3Store) => store.get("k", { signal: LIVE }).then(({ body }) => body.close());
  await t.step(
    "the bucket's region",
    () =>
      withStore(
        [refusal(301, "PermanentRedirect", "", { "x-amz-bucket-region": "r2" }), reply(200)],
        async (store, { requests }) => {
          await get(store);
          assert.match(requests[0]!.headers["authorization"]!, /\/r1\/s3\//);
          assert.match(requests[1]!.headers["authorization"]!, /\/r2\/s3\//);
        },
      ),
  );
  await t.step("the server's clock", () => {
    const skewed = refusal(403, "RequestTimeTooSkewed", "", { Date: "Fri, 02 Jan 2026 05:04:05 GMT" });
    return withStore([skewed, reply(200), skewed, skewed], async (store, { requests }) => {
      await get(store);
      assert.deepEqual(requests.map(({ headers }) => headers["x-amz-date"]), [
        "20260102T030405Z",
        "20260102T050405Z",
      ]);
      await assert.rejects(get(store), failsWith("unavailable", /clocks/));
    });
  });
  await t.step("credentials that ran out", () => {
    const credentials = ["one", "two"].map((id) => ({ accessKeyId: id, secretAccessKey: new Secret("x") }));
    return withStore([refusal(400, "ExpiredToken"), reply(200)], async (store, { requests }) => {
      await get(store);
      assert.match(requests[1]!.headers["authorization"]!, /Credential=two\//);
    }, { credentials });
  });
  await t.step(
    "fixed credentials that ran out are denied at once",
    () =>
      withStore([refusal(400, "ExpiredToken")], async (store, { requests }) => {
        await assert.rejects(get(store), failsWith("denied", /run out/));
        assert.equal(requests.length, 1);
      }),
  );
});

Deno.test("s3: errors name the object, never a credential", () =>
  withStore([
    refusal(403, "AccessDenied", "who is s3cr3t with t0ken"),
    reply(503, { "Retry-After": "7" }, "<html>busy</html>"),
    { raw: ["HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n<Error><Code>Internal"], close: true },
  ], async (store) => {
    await assert.rejects(store.get("k", { signal: LIVE }), (thrown) => {
      assert.doesNotMatch(`${thrown}`, /s3cr3t|t0ken/);
      return failsWith("denied", /"s3:\/\/bucket\/k": status 403 AccessDenied \(who is \*\*\* with \*\*\*\)/)(
        thrown,
      );
    });
    await assert.rejects(store.get("k", { signal: LIVE }), (thrown) => {
      assert.equal((thrown as CopilotError).retryAfterMs, 7000);
      return failsWith("throttled", /503/)(thrown);
    });
    await assert.rejects(store.get("k", { signal: LIVE }), failsWith("unavailable", /500/));
    await assert.rejects(store.get("", { signal: LIVE }), failsWith("input", /no key/));
  }, {
    credentials: [{
      accessKeyId: "id",
      secretAccessKey: new Secret("s3cr3t"),
      sessionToken: new Secret("t0ken"),
    }],
  }));

Deno.test("s3 delete: a key that is not there is no error, a bucket is", () =>
  withStore([reply(204), refusal(404, "NoSuchKey"), refusal(404, "NoSuchBucket")], async (store) => {
    await store.delete("k", { signal: LIVE });
    await store.delete("k", { signal: LIVE });
    await assert.rejects(store.delete("k", { signal: LIVE }), failsWith("not-found", /NoSuchBucket/));
  }));

Deno.test("s3 list: keys are decoded, pages are followed, broken XML is a network error", () => {
  const page = (contents: string, more: string) =>
    reply(200, {}, `<ListBucketResult><EncodingType>url</EncodingType>${contents}${more}</ListBucketResult>`);
  const object = (key: string) => `<Contents><Key>${key}</Key><Size>3</Size><ETag>"e"</ETag></Contents>`;
  return withStore([
    page(
      object("p/a+b%2Bc%2520") + object("p/%C3%A9/"),
      "<IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>",
    ),
    page(object("p/z"), "<IsTruncated>false</IsTruncated>"),
    page("", "<IsTruncated>false</IsTruncated>"),
    reply(200, {}, "<ListBucketResult><Contents><Key>cut"),
    reply(503, {}, "<Error><Code>SlowDown</Code><Message>m</Message></Error>"),
  ], async (store, { requests }) => {
    const first = await store.list("p/", { signal: LIVE });
    assert.deepEqual(first.objects, [
      { key: "p/a b+c%20", size: 3, etag: '"e"' },
      { key: "p/é/", size: 3, etag: '"e"' },
    ]);
    const second = await store.list("p/", { signal: LIVE, token: first.next! });
    assert.deepEqual([second.objects.length, second.next], [1, undefined]);
    assert.match(requests[1]!.path, /continuation-token=t%2F%2B%3D/);
    assert.deepEqual(await store.list("p/", { signal: LIVE }), { objects: [] });
    await assert.rejects(store.list("p/", { signal: LIVE }), failsWith("network", /s3:\/\/bucket\/p\//));
    await assert.rejects(store.list("p/", { signal: LIVE }), failsWith("throttled", /SlowDown/));
  });
});

Deno.test("s3 multipart: checksums of the parts make that of the whole; success with an error in it is none", () => {
  const created = (headers: Record<string, string>) =>
    reply(
      200,
      headers,
      "<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>",
    );
  const full = { "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT" };
  const part = (etag: string, crc: string) => reply(200, { ETag: etag, "x-amz-checksum-crc32": crc });
  const done =
    "<CompleteMultipartUploadResult><ETag>&quot;whole-2&quot;</ETag></CompleteMultipartUploadResult>";
  return withStore([
    created(full),
    part('"p2"', "Ex2gcA=="),
    part('"p1"', "m+Pgow=="),
    reply(
      200,
      {},
      '<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>try again</Message></Error>',
    ),
    reply(200, {}, done),
    reply(404, {}, "<Error><Code>NoSuchUpload</Code></Error>"),
  ], async (store, { requests }) => {
    const upload = await store.beginUpload("k", { signal: LIVE });
    await upload.part(2, bytesSource(encoder.encode("56789")), { signal: LIVE });
    await upload.part(1, bytesSource(encoder.encode("1234")), { signal: LIVE });
    assert.equal(requests[1]!.path, "/bucket/k?partNumber=2&uploadId=u%2F1");
    await assert.rejects(upload.complete({ signal: LIVE }), failsWith("unavailable", /InternalError/));
    const info = await upload.complete({ signal: LIVE });
    assert.deepEqual(info, {
      key: "k",
      size: 9,
      etag: '"whole-2"',
      checksum: { name: "crc32", hex: "cbf43926" },
    });
    assert.equal(requests[4]!.headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    assert.equal(requests[4]!.headers["x-amz-mp-object-size"], "9");
    const xml = decoder.decode(requests[4]!.body);
    assert.ok(xml.indexOf("p1") < xml.indexOf("p2"), "parts are sorted");
    await upload.abort({ signal: LIVE });
  });
});

Deno.test("s3 multipart: a store without checksums gets none", () =>
  withStore([
    refusal(400, "InvalidArgument", "x-amz-checksum-algorithm"),
    reply(200, {}, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
    reply(200, ETAG),
    reply(200, {}, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
  ], async (store, { requests }) => {
    const upload = await store.beginUpload("k", { signal: LIVE });
    await upload.part(1, bytesSource(LARGE), { signal: LIVE });
    await upload.complete({ signal: LIVE });
    assert.equal(requests[1]!.headers["x-amz-checksum-algorithm"], undefined);
    assert.equal(requests[2]!.headers["x-amz-checksum-crc32"], undefined);
    assert.deepEqual(requests[2]!.body, LARGE);
    assert.doesNotMatch(decoder.decode(requests[3]!.body), /Checksum/);
  }));
