import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import type { S3Store } from "../../../../src/storage/backends/s3/store.ts";
import { bytesSource } from "../../../../src/storage/store.ts";
import { LIVE } from "../../../support/http.ts";
import { type Canned, reply, type SeenRequest } from "../../../support/loopback.ts";
import { ETAG, LARGE, refusal, withStore } from "../../../support/s3.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const NO_UPLOADS = reply(200, {}, "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
const OPENED = reply(
  200,
  {},
  "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
);

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
    await assert.rejects(store.list("p/", { signal: LIVE }), codeIs("network", /s3:\/\/bucket\/p\//));
    await assert.rejects(store.list("p/", { signal: LIVE }), codeIs("throttled", /SlowDown/));
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
    NO_UPLOADS,
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
    assert.equal(requests[2]!.path, "/bucket/k?partNumber=2&uploadId=u%2F1");
    await assert.rejects(upload.complete({ signal: LIVE }), codeIs("unavailable", /InternalError/));
    const info = await upload.complete({ signal: LIVE });
    assert.deepEqual(info, {
      key: "k",
      size: 9,
      etag: '"whole-2"',
      checksum: { name: "crc32", hex: "cbf43926" },
    });
    assert.equal(requests[5]!.headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    assert.equal(requests[5]!.headers["x-amz-mp-object-size"], "9");
    const xml = decoder.decode(requests[5]!.body);
    assert.ok(xml.indexOf("p1") < xml.indexOf("p2"), "parts are sorted");
    await upload.abort({ signal: LIVE });
  });
});

Deno.test("s3 multipart: a store without checksums gets none", () =>
  withStore([
    NO_UPLOADS,
    refusal(400, "InvalidArgument", "x-amz-checksum-algorithm"),
    reply(200, {}, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
    reply(200, ETAG),
    reply(200, {}, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
  ], async (store, { requests }) => {
    const upload = await store.beginUpload("k", { signal: LIVE });
    await upload.part(1, bytesSource(LARGE), { signal: LIVE });
    await upload.complete({ signal: LIVE });
    assert.equal(requests[2]!.headers["x-amz-checksum-algorithm"], undefined);
    assert.equal(requests[3]!.headers["x-amz-checksum-crc32"], undefined);
    assert.deepEqual(requests[3]!.body, LARGE);
    assert.doesNotMatch(decoder.decode(requests[4]!.body), /Checksum/);
  }));

Deno.test("s3 multipart: what a killed run left of the same key is removed first, what is another key's is not", () =>
  withStore([
    reply(
      200,
      {},
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType>" +
        "<Upload><Key>a%2Bb</Key><UploadId>u&amp;1</UploadId></Upload>" +
        "<Upload><Key>a%2Bb.csv</Key><UploadId>other</UploadId></Upload></ListMultipartUploadsResult>",
    ),
    reply(204),
    OPENED,
  ], async (store, { requests }) => {
    await store.beginUpload("a+b", { signal: LIVE });
    assert.deepEqual(requests.map(({ method, path }) => `${method} ${path}`), [
      "GET /bucket/?encoding-type=url&prefix=a%2Bb&uploads=",
      "DELETE /bucket/a%2Bb?uploadId=u%261",
      "POST /bucket/a%2Bb?uploads=",
    ]);
  }));

for (
  const [who, status, code] of [
    ["a role that may not list uploads", 403, "AccessDenied"],
    ["a store that cannot", 501, "NotImplemented"],
  ] as const
) {
  Deno.test(`s3 multipart: with ${who}, uploads are begun all the same, and no list is asked for again`, () =>
    withStore([refusal(status, code), OPENED, OPENED], async (store, { requests }) => {
      await store.beginUpload("a", { signal: LIVE });
      await store.beginUpload("b", { signal: LIVE });
      assert.deepEqual(requests.map(({ method }) => method), ["GET", "POST", "POST"]);
    }));
}

Deno.test("s3 multipart: a passing fault of the list of uploads is tried again, but not for ever", () =>
  withStore([
    ...Array.from({ length: 10 }, () => refusal(503, "SlowDown")),
    OPENED,
  ], async (store) => {
    for (let time = 0; time < 9; time++) {
      await assert.rejects(
        store.beginUpload("a", { signal: LIVE }),
        codeIs("throttled", /earlier uploads/),
      );
    }
    await store.beginUpload("a", { signal: LIVE });
  }));

Deno.test("s3 list: a page that cannot be whole is a network error, not a short listing", () => {
  const page = (text: string) => reply(200, {}, `<ListBucketResult>${text}</ListBucketResult>`);
  return withStore([
    page("<Contents><Key>q/a</Key><Size>3</Size></Contents>"),
    page("<IsTruncated>trve</IsTruncated>"),
    page("<IsTruncated>true</IsTruncated>"),
  ], async (store) => {
    for (const why of [/was not asked for/, /whether there is more/, /how to get it/]) {
      await assert.rejects(store.list("p/", { signal: LIVE }), codeIs("network", why));
    }
  });
});

const REFUSED = refusal(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-algorithm' received");

Deno.test("s3 multipart: a store that refuses checksum headers takes the upload without, and is remembered", async (t) => {
  const completed = reply(
    200,
    {},
    "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
  );
  const isBare = ({ headers, body }: SeenRequest) =>
    Object.keys(headers).every((name) => !/^x-amz-(checksum|trailer|mp-object-size)/.test(name)) &&
    !decoder.decode(body).includes("ChecksumCRC32");
  const upload = async (store: S3Store) => {
    const upload = await store.beginUpload("k", { signal: LIVE });
    await upload.part(1, bytesSource(LARGE), { signal: LIVE });
    await upload.complete({ signal: LIVE });
  };
  await t.step("at the beginning", () =>
    withStore(
      [NO_UPLOADS, REFUSED, OPENED, reply(200, ETAG), completed, reply(200, ETAG)],
      async (store, { requests }) => {
        await upload(store);
        await store.put("other", bytesSource(LARGE), { signal: LIVE });
        assert.deepEqual(requests.map(isBare), [true, false, true, true, true, true]);
      },
    ));
  await t.step("with a part", () =>
    withStore(
      [NO_UPLOADS, OPENED, refusal(501, ""), reply(200, ETAG), completed],
      async (store, { requests }) => {
        await upload(store);
        assert.deepEqual(requests.map(isBare), [true, false, false, true, true]);
      },
    ));
  const opened = reply(
    200,
    { "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT" },
    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
  );
  await t.step("at the end", () =>
    withStore(
      [NO_UPLOADS, opened, reply(200, ETAG), refusal(400, "UnknownHeader"), completed],
      async (store, { requests }) => {
        await upload(store);
        assert.deepEqual(requests.map(isBare), [true, false, false, false, true]);
      },
    ));
});

const listed = (key: string, more: string, encoding = "<EncodingType>url</EncodingType>") =>
  `<ListBucketResult>${encoding}<Contents><Key>${key}</Key><Size>1</Size></Contents>${more}</ListBucketResult>`;
const MORE = "<IsTruncated>true</IsTruncated>";

Deno.test("s3 list: a store without ListObjectsV2 is listed by ListObjects", async (t) => {
  const cases: [string, Canned[], string[]][] = [
    ["which answers without a token", [reply(200, {}, listed("p/a+b", MORE))], []],
    [
      "which names the next marker",
      [reply(200, {}, listed("p/a", `${MORE}<NextMarker>p/a+b</NextMarker>`))],
      [],
    ],
    ["which refuses", [refusal(501, "NotImplemented"), reply(200, {}, listed("p/a+b", MORE))], ["first"]],
  ];
  for (const [what, first, refused] of cases) {
    await t.step(
      what,
      () =>
        withStore([...first, reply(200, {}, listed("p/c", ""))], async (store, { requests }) => {
          const page = await store.list("p/", { signal: LIVE });
          const last = await store.list("p/", { signal: LIVE, token: page.next! });
          assert.deepEqual([last.objects[0]!.key, last.next], ["p/c", undefined]);
          assert.equal(
            requests.at(-1)!.path,
            "/bucket/?encoding-type=url&marker=p%2Fa%20b&prefix=p%2F",
          );
          assert.equal(requests.length, 2 + refused.length);
        }),
    );
  }
});

Deno.test("s3 list: a key that is not UTF-8 is an error that names it and is not tried again", async (t) => {
  const raw = new Uint8Array(
    [...encoder.encode(listed("p/caf#", "", ""))].map((byte) => byte === 35 ? 0xe9 : byte),
  );
  const cases: [string, Canned, RegExp][] = [
    ["percent-encoded", reply(200, {}, listed("p/caf%E9", "")), /the key "p\/caf%E9" is not UTF-8/],
    ["as it is", reply(200, {}, raw), /the key "p\/caf\ufffd" is not UTF-8/],
  ];
  for (const [what, canned, expected] of cases) {
    await t.step(what, () =>
      withStore([canned], async (store) => {
        await assert.rejects(store.list("p/", { signal: LIVE }), codeIs("unsupported", expected));
      }));
  }
  await t.step(
    "U+FFFD itself is a character of a key",
    () =>
      withStore([reply(200, {}, listed("p/\ufffd", "", ""))], async (store) => {
        assert.equal((await store.list("p/", { signal: LIVE })).objects[0]!.key, "p/\ufffd");
      }),
  );
});
