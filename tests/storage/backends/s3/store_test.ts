import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { Secret } from "../../../../src/config/mod.ts";
import type { CopilotError } from "../../../../src/errors.ts";
import type { S3Store } from "../../../../src/storage/backends/s3/store.ts";
import { readAll } from "../../../../src/storage/store.ts";
import { LIVE } from "../../../support/http.ts";
import { reply, type SeenRequest } from "../../../support/loopback.ts";
import { refusal, withStore } from "../../../support/s3.ts";

const decoder = new TextDecoder();

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
      `a range that was not asked for ("${wrong}") is an error that no retry mends`,
      () =>
        withStore([ranged(wrong, "345")], async (store) => {
          await assert.rejects(
            store.get("k", { signal: LIVE, start: 2, end: 5 }),
            codeIs("unsupported", /does not fit/),
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
        await assert.rejects(store.get("k", { signal: LIVE, ifMatch: '"x"' }), codeIs("changed", /412/));
      }),
  );
});

Deno.test("s3: a store that refuses the question for a checksum is not asked again", async (t) => {
  const head = { raw: ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"] };
  const asks = (requests: readonly SeenRequest[]) =>
    requests.map(({ headers }) => headers["x-amz-checksum-mode"] !== undefined);
  const refusals = [refusal(400, "InvalidArgument", "Unsupported header"), refusal(501, "NotImplemented")];
  for (const [index, refused] of refusals.entries()) {
    await t.step(
      `GET ${index + 1}`,
      () =>
        withStore([refused, reply(200, {}, "x"), head, reply(200, {}, "x")], async (store, { requests }) => {
          for (let count = 0; count < 2; count++) {
            (await store.get("k", { signal: LIVE })).body.close();
            if (count === 0) await store.head("k", { signal: LIVE });
          }
          assert.deepEqual(asks(requests), [true, false, false, false]);
        }),
    );
  }
  for (const status of [400, 501]) {
    await t.step(`HEAD, whose refusal ${status} has no words`, () =>
      withStore(
        [{ raw: [`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`] }, head],
        async (store, { requests }) => {
          assert.equal((await store.head("k", { signal: LIVE })).size, 9);
          assert.deepEqual(asks(requests), [true, false]);
        },
      ));
  }
  await t.step("what is not implemented either way is an error at once", () =>
    withStore(
      [refusal(501, "NotImplemented"), refusal(501, "NotImplemented")],
      async (store) => {
        await assert.rejects(store.get("k", { signal: LIVE }), codeIs("unsupported", /NotImplemented/));
      },
    ));
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
      await assert.rejects(get(store), codeIs("unavailable", /clocks/));
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
        await assert.rejects(get(store), codeIs("denied", /run out/));
        assert.equal(requests.length, 1);
      }),
  );
});

Deno.test("s3: a refusal in a server's own words is told in them, without credentials", () =>
  withStore([
    reply(400, {}, "The key s3cr3t was sent by HTTP to an HTTPS server.\n"),
    reply(400, {}, "The key s3cr3t was sent by HTTP to an HTTPS server.\n"),
  ], async (store) => {
    await assert.rejects(
      store.get("k", { signal: LIVE }),
      codeIs("config", /status 400 \(The key \*\*\* was sent by HTTP to an HTTPS server\)/),
    );
  }));

Deno.test("s3: errors name the object, never a credential", () =>
  withStore([
    // Asked again without the checksum, which may be what is denied.
    refusal(403, "AccessDenied", "who is s3cr3t with t0ken"),
    refusal(403, "AccessDenied", "who is s3cr3t with t0ken"),
    reply(503, { "Retry-After": "7" }, "<html>busy</html>"),
    { raw: ["HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n<Error><Code>Internal"], close: true },
  ], async (store) => {
    await assert.rejects(store.get("k", { signal: LIVE }), (thrown) => {
      assert.doesNotMatch(`${thrown}`, /s3cr3t|t0ken/);
      return codeIs("denied", /"s3:\/\/bucket\/k": status 403 AccessDenied \(who is \*\*\* with \*\*\*\)/)(
        thrown,
      );
    });
    await assert.rejects(store.get("k", { signal: LIVE }), (thrown) => {
      assert.equal((thrown as CopilotError).retryAfterMs, 7000);
      return codeIs("throttled", /503/)(thrown);
    });
    await assert.rejects(store.get("k", { signal: LIVE }), codeIs("unavailable", /500/));
    await assert.rejects(store.get("", { signal: LIVE }), codeIs("input", /no key/));
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
    await assert.rejects(store.delete("k", { signal: LIVE }), codeIs("not-found", /NoSuchBucket/));
  }));
