import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { bytesSource, type ObjectStore, readAll } from "../../../../src/storage/store.ts";
import { backend } from "../../../../src/storage/backends/azure/mod.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import { sys } from "../../../../src/system/deno.ts";
import { ACCOUNT, azureContext, azureSettings, KEY, makeContainer, openAt } from "../../../support/azure.ts";
import { LIVE } from "../../../support/http.ts";
import { type Canned, Loopback, reply } from "../../../support/loopback.ts";

const call = { signal: LIVE };
const encoder = new TextEncoder();

/** Runs `test` on a container whose server gives these replies. */
async function serving(
  replies: Canned[],
  test: (store: ObjectStore, server: Loopback) => Promise<void>,
): Promise<void> {
  await using server = new Loopback(...replies);
  const store = await openAt(server);
  try {
    await test(store, server);
  } finally {
    store.close();
  }
}

function refusal(status: number, code: string, headers: Record<string, string> = {}): Canned {
  const xml =
    `\ufeff<?xml version="1.0"?><Error><Code>${code}</Code><Message>Words.\nRequestId:1</Message></Error>`;
  return reply(status, { "x-ms-error-code": code, ...headers }, xml);
}

async function bytesOf(store: ObjectStore, key: string): Promise<Uint8Array> {
  return await readAll((await store.get(key, call)).body, 1e6, () => new Error("too large"));
}

Deno.test("azure: get says size, version and MD5 of the blob, of a range too", () =>
  serving([
    reply(200, { ETag: '"e"', "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg==" }, "hello"),
    reply(206, {
      ETag: '"e"',
      "Content-Range": "bytes 1-2/5",
      "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==",
      "x-ms-blob-content-md5": "XUFAKrxLKna5cZ2REBfFkg==",
    }, "el"),
  ], async (store, server) => {
    const info = {
      key: "k",
      size: 5,
      etag: '"e"',
      checksum: { name: "md5", hex: "5d41402abc4b2a76b9719d911017c592" },
    };
    const whole = await store.get("k", call);
    assert.deepEqual([whole.info, whole.start, whole.length], [info, 0, 5]);
    await readAll(whole.body, 10, () => new Error());
    const range = await store.get("k", { ...call, start: 1, end: 3, ifMatch: '"e"' });
    assert.deepEqual([range.info, range.start, range.length], [info, 1, 2]);
    range.body.close();
    const { path, headers } = server.requests[1]!;
    assert.equal(path, `/${ACCOUNT}/box/k`);
    assert.deepEqual([headers["x-ms-range"], headers["if-match"]], ["bytes=1-2", '"e"']);
    assert.match(headers["authorization"]!, /^SharedKey testaccount:[A-Za-z0-9+/]{43}=$/);
  }));

Deno.test("azure: a range behind the end gives no bytes and the blob's size", () =>
  serving([
    refusal(416, "InvalidRange"),
    reply(200, { "Content-Length": "5", ETag: '"e"' }),
  ], async (store, server) => {
    server.requests.length = 0;
    const got = await store.get("k", { ...call, start: 9 });
    assert.deepEqual([got.length, got.info.size, got.start], [0, 5, 9]);
    assert.deepEqual(server.requests.map(({ method }) => method), ["GET", "HEAD"]);
  }));

Deno.test("azure: a reply with another range than the one asked for is an error", () =>
  serving([reply(206, { "Content-Range": "bytes 0-1/5" }, "he")], async (store) => {
    await assert.rejects(
      store.get("k", { ...call, start: 1, end: 3 }),
      codeIs("unsupported", /bytes 0-1\/5/),
    );
  }));

Deno.test("azure: a page asks for metadata, and the next one by its marker", () =>
  serving([
    reply(200, {}, "<EnumerationResults><Blobs /><NextMarker>m&amp;1</NextMarker></EnumerationResults>"),
    reply(200, {}, "<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>"),
  ], async (store, server) => {
    const first = await store.list("a b/", call);
    assert.deepEqual(first, { objects: [], next: "m&1" });
    assert.deepEqual(await store.list("a b/", { ...call, token: first.next! }), { objects: [] });
    const query = "restype=container&comp=list&include=metadata&maxresults=2000&prefix=a%20b%2F";
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      [`/${ACCOUNT}/box?${query}`, `/${ACCOUNT}/box?${query}&marker=m%261`],
    );
  }));

Deno.test("azure: small bytes go up with their MD5, large ones with their CRC64", () =>
  serving([reply(201, { ETag: '"1"' }), reply(201, { ETag: '"2"' })], async (store, server) => {
    assert.deepEqual(await store.put("k", bytesSource(encoder.encode("hello")), call), {
      key: "k",
      size: 5,
      etag: '"1"',
    });
    const large = new Uint8Array(70_000).fill(7);
    large.set(encoder.encode("123456789"));
    await store.put("k", bytesSource(large), call);
    const [small, big] = server.requests;
    assert.equal(small!.headers["content-md5"], "XUFAKrxLKna5cZ2REBfFkg==");
    assert.equal(small!.headers["x-ms-blob-type"], "BlockBlob");
    assert.equal(big!.headers["content-md5"], undefined);
    assert.equal(Uint8Array.fromBase64(big!.headers["x-ms-content-crc64"]!).length, 8);
    assert.deepEqual(big!.body, large);
  }));

Deno.test("azure: a checksum of other bytes than the source's is found before anything is sent", () =>
  serving([], async (store, server) => {
    const checksum = { name: "crc32", hex: "00000000" } as const;
    for (const size of [5, 100_000]) {
      const put = store.put("k", bytesSource(new Uint8Array(size).fill(1)), { ...call, checksum });
      await assert.rejects(
        put,
        codeIs("integrity", /the crc32 of its bytes is [0-9a-f]{8}, expected 00000000/),
      );
    }
    assert.equal(server.requests.length, 0);
  }));

Deno.test("azure: bytes that the service got otherwise are an integrity error", () =>
  serving([refusal(400, "Md5Mismatch")], async (store) => {
    await assert.rejects(
      store.put("k", bytesSource(new Uint8Array(5)), call),
      codeIs("integrity", /Md5Mismatch/),
    );
  }));

Deno.test("azure: waits that the service asks for", () =>
  serving([
    refusal(503, "ServerBusy", { "Retry-After": "7" }),
    refusal(503, "ServerBusy", { "Retry-After": "7", "x-ms-retry-after-ms": "1500" }),
  ], async (store) => {
    for (const waitMs of [7000, 1500]) {
      const error = await store.get("k", call).then(() => assert.fail(), (thrown) => thrown);
      assert.deepEqual([error.code, error.retryAfterMs], ["throttled", waitMs]);
    }
  }));

Deno.test("azure: the clock of the server is taken where ours is off, once", () => {
  const date = new Date(sys.clock.nowMs() - 3_600_000).toUTCString();
  const late = () => refusal(403, "AuthenticationFailed", { Date: date });
  return serving([late(), reply(200, {}, "x"), late(), late()], async (store, server) => {
    assert.equal((await bytesOf(store, "k")).length, 1);
    const dates = server.requests.map(({ headers }) => Date.parse(headers["x-ms-date"]!));
    assert(Math.abs(dates[0]! - dates[1]! - 3_600_000) < 10_000);
    await assert.rejects(
      store.get("k", call),
      codeIs("denied", /AuthenticationFailed.*storage.stow.config key/),
    );
    assert.equal(server.requests.length, 3, "the same clock again is no news");
  });
});

Deno.test("azure: delete of a blob that is not there succeeds, in a container that is not there it does not", () =>
  serving([refusal(404, "BlobNotFound"), refusal(404, "ContainerNotFound")], async (store, server) => {
    await store.delete("k", call);
    await assert.rejects(store.delete("k", call), codeIs("not-found", /check the container's name/));
    assert.equal(server.requests[0]!.headers["x-ms-delete-snapshots"], "include");
  }));

Deno.test("azure: blocks have ids of one length of this upload alone, and the list commits them by number", () =>
  serving(Array.from({ length: 5 }, () => reply(201, { ETag: '"e"' })), async (store, server) => {
    const upload = await store.beginUpload("k", call);
    await upload.part(12, bytesSource(new Uint8Array(3)), call);
    await upload.part(2, bytesSource(new Uint8Array(100_000)), call);
    await upload.part(12, bytesSource(new Uint8Array(4)), call);
    assert.deepEqual(await upload.complete(call), { key: "k", size: 100_004, etag: '"e"' });
    const ids = server.requests.slice(0, 4).map(({ path }) =>
      atob(new URL(path, server.url).searchParams.get("blockid")!)
    );
    const own = ids[0]!.slice(0, 16);
    assert.deepEqual(ids, ["00000", "00012", "00002", "00012"].map((number) => `${own}.${number}`));
    const list = new TextDecoder().decode(server.requests[4]!.body);
    const named = [...list.matchAll(/<Latest>([^<]*)<\/Latest>/g)].map(([, id]) => atob(id!));
    assert.deepEqual(named, [`${own}.00002`, `${own}.00012`]);
  }));

Deno.test("azure: an upload whose blocks are gone is not found", () =>
  serving([reply(201), reply(201), refusal(400, "InvalidBlockList")], async (store) => {
    const upload = await store.beginUpload("k", call);
    await upload.part(1, bytesSource(new Uint8Array(3)), call);
    await assert.rejects(
      upload.complete(call),
      codeIs("not-found", /another writer has replaced the blob/),
    );
  }));

Deno.test("azure: settings that cannot work", async () => {
  const open = (values: Record<string, string>, key?: string, env: Record<string, string> = {}) =>
    backend.open(parseUri("abfs://box/k", "the URI"), azureSettings(values, key), azureContext({ env }));
  await assert.rejects(
    open({ account: "abc" }, "not base64!"),
    codeIs("config", /storage.stow.config key: it is no base64/),
  );
  await assert.rejects(
    open({ account: "abc", auth_type: "iam" }),
    codeIs("config", /auth_type "iam": expected anonymous/),
  );
  await assert.rejects(
    open({ base_url: "http://far.away/abc" }, undefined, { AZURE_STORAGE_SAS_TOKEN: "sv=1&sig=s" }),
    codeIs("config", /AZURE_STORAGE_SAS_TOKEN must not go over "http:\/\/far.away:80" in the clear/),
  );
});

const AZURITE = Deno.env.get("COPILOT_TEST_AZURE") ?? "";

Deno.test({
  name: `azure: what azurite makes of odd names, aborted uploads and a complete that is sent twice${
    AZURITE === "" ? " (needs COPILOT_TEST_AZURE)" : ""
  }`,
  ignore: AZURITE === "",
  async fn(t) {
    const key = Deno.env.get("COPILOT_TEST_AZURE_KEY") ?? KEY;
    const container = `odd-${sys.randomHex(12)}`;
    await makeContainer(AZURITE, key, container);
    const store = await backend.open(
      parseUri(`abfs://${container}/`, "the container"),
      azureSettings({ base_url: AZURITE }, key),
      azureContext(),
    );
    const keys = async () => (await store.list("", call)).objects.map((object) => object.key);
    await t.step("empty components and a slash at the end are kept", async () => {
      const names = ["odd//x", "odd/x", "odd/x/", "odd/x.", "odd/ x "];
      for (const name of names) await store.put(name, bytesSource(encoder.encode(name)), call);
      for (const name of names) assert.deepEqual(await bytesOf(store, name), encoder.encode(name));
      assert.deepEqual(new Set(await keys()), new Set(names));
      for (const name of names) await store.delete(name, call);
    });
    await t.step("an aborted upload is invisible, and its blocks go when the blob is written", async () => {
      const upload = await store.beginUpload("aborted", call);
      await upload.part(1, bytesSource(new Uint8Array(1000)), call);
      await upload.abort(call);
      assert.deepEqual(await keys(), []);
      await assert.rejects(store.head("aborted", call), codeIs("not-found", /404/));
      await assert.rejects(
        upload.part(2, bytesSource(new Uint8Array(1)), call),
        codeIs("not-found", /was aborted/),
      );
      await store.put("aborted", bytesSource(new Uint8Array(3)), call);
      assert.equal((await store.head("aborted", call)).size, 3);
      await store.delete("aborted", call);
    });
    await t.step("a complete that is sent twice gives the same blob", async () => {
      const upload = await store.beginUpload("twice", call);
      await upload.part(1, bytesSource(new Uint8Array(1000)), call);
      await upload.complete(call);
      assert.equal((await upload.complete(call)).size, 1000);
      assert.equal((await bytesOf(store, "twice")).length, 1000);
    });
    await t.step("an upload that another writer has overtaken is not found", async () => {
      const upload = await store.beginUpload("twice", call);
      await upload.part(1, bytesSource(new Uint8Array(10)), call);
      const other = await store.beginUpload("twice", call);
      await other.part(1, bytesSource(new Uint8Array(5)), call);
      await other.complete(call);
      await assert.rejects(upload.complete(call), codeIs("not-found", /another writer/));
      assert.equal((await bytesOf(store, "twice")).length, 5);
    });
    store.close();
  },
});
