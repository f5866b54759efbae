import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import type { S3Store } from "../../../../src/storage/backends/s3/store.ts";
import { bytesSource } from "../../../../src/storage/store.ts";
import { LIVE } from "../../../support/http.ts";
import { reply, type SeenRequest } from "../../../support/loopback.ts";
import { ETAG, LARGE, LARGE_CRC, refusal, withStore } from "../../../support/s3.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Bytes that are not in memory as a whole. */
const STREAM = { size: LARGE.length, open: () => bytesSource(LARGE).open() };

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
    const info = await store.put("k", STREAM, { signal: LIVE });
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
  const put = (store: S3Store) => store.put("k", STREAM, { signal: LIVE });
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
          await assert.rejects(put(store), codeIs("integrity", /BadDigest/));
          assert.equal(requests.length, 1);
        },
      ),
  );
  await t.step(
    "another checksum given back: integrity",
    () =>
      withStore([reply(200, { "x-amz-checksum-crc32": "AAAAAA==" })], async (store) => {
        await assert.rejects(put(store), codeIs("integrity", /has bytes with crc32 00000000/));
      }),
  );
});

Deno.test("s3 put: a wrong key costs two more requests, and is denied", () =>
  withStore(
    Array.from({ length: 3 }, () => refusal(403, "SignatureDoesNotMatch")),
    async (store, { requests }) => {
      await assert.rejects(
        store.put("k", STREAM, { signal: LIVE }),
        codeIs("denied", /secret_key/),
      );
      assert.equal(requests.length, 3);
    },
  ));

Deno.test("s3 put: a source of another length: changed, and no request is completed", async (t) => {
  for (const size of [LARGE.length + 1, LARGE.length - 1, 10]) {
    await t.step(`${size}`, () =>
      withStore([reply(200)], async (store, { requests }) => {
        const source = { size, open: () => bytesSource(LARGE).open() };
        await assert.rejects(store.put("k", source, { signal: LIVE }), codeIs("changed", /announced/));
        assert.equal(requests[0]?.body.length ?? 0, 0);
      }));
  }
});
