/** Listings that do not end, on every store that lists; what is still a listing that ends. */
import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { Secret, type StoreSettings } from "../../src/config/mod.ts";
import { openStore } from "../../src/storage/backends/mod.ts";
import { follow, type Trail, withEndingLists } from "../../src/storage/listing.ts";
import type { ListPage, ObjectStore } from "../../src/storage/store.ts";
import { withRetry } from "../../src/storage/retry.ts";
import { FileStore } from "../../src/storage/backends/file/store.ts";
import { sys } from "../../src/system/deno.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { azureContext, azureSettings, KEY } from "../support/azure.ts";
import { signal, temporaryDirectory, TraitStore } from "../support/flows.ts";

/** A store whose listing is the pages that a function gives, by the number in its token. */
function listed(pageOf: (number: number) => ListPage): ObjectStore {
  const store = new TraitStore("mem://b", {});
  store.list = (_, { token }) => Promise.resolve(pageOf(Number(token ?? 0)));
  return withEndingLists(store);
}

async function keysOf(store: ObjectStore, prefix = "d/", maxPages = 5000): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < maxPages; pages++) {
    const page = await store.list(prefix, { signal, ...(token !== undefined && { token }) });
    keys.push(...page.objects.map(({ key }) => key));
    if (page.next === undefined) return keys;
    token = page.next;
  }
  assert.fail(`more than ${maxPages} pages`);
}

const page = (number: number, next: number | undefined): ListPage => ({
  objects: [{ key: `d/${String(number).padStart(6, "0")}`, size: 1 }],
  ...(next !== undefined && { next: String(next) }),
});

Deno.test("listing: pages come as the store gives them, whatever their number", async () => {
  for (const count of [1, 2, 3, 9, 1000]) {
    const store = listed((number) => page(number, number + 1 < count ? number + 1 : undefined));
    assert.equal((await keysOf(store)).length, count);
  }
});

Deno.test("listing: a page may be asked for again, and listings may run side by side", async () => {
  const store = listed((number) => page(number, number < 9 ? number + 1 : undefined));
  const first = await store.list("d/", { signal });
  const token = first.next!;
  assert.deepEqual(await store.list("d/", { signal, token }), await store.list("d/", { signal, token }));
  assert.deepEqual(await keysOf(store), await keysOf(store));
});

for (const length of [1, 2, 3, 7, 100]) {
  for (const before of [0, 1, 5]) {
    Deno.test(`listing: a circle of ${length} tokens behind ${before} pages is an error that names the listing`, async () => {
      let pages = 0;
      const store = listed((number) => {
        // Keys are ever new, so that nothing but the tokens shows the circle.
        pages++;
        return {
          ...page(pages, undefined),
          next: String(number + 1 < before + length ? number + 1 : before),
        };
      });
      await assert.rejects(keysOf(store), codeIs("unsupported", "mem://b/d/", "token"));
      assert(pages <= 3 * (before + length) + 3, `${pages} pages`);
    });
  }
}

for (const length of [1, 2, 7]) {
  Deno.test(`listing: ${length} pages that come again under new tokens are an error`, async () => {
    const store = listed((number) => page(number % length, number + 1));
    await assert.rejects(keysOf(store), codeIs("unsupported", "mem://b/d/", "begins with the key"));
  });
}

Deno.test("listing: empty pages are passed over within a bound", async () => {
  const empty = (count: number) =>
    listed((number) => number < count ? { objects: [], next: String(number + 1) } : page(number, undefined));
  assert.equal((await keysOf(empty(100))).length, 1);
  await assert.rejects(keysOf(empty(101)), codeIs("unsupported", "mem://b/d/", "without objects"));
});

Deno.test("listing: a trail finds every circle and no line is one", () => {
  let trail: Trail | null = null;
  for (let at = 0; at < 10_000; at++) {
    trail = follow(trail, String(at));
    assert(trail !== null);
  }
});

/** What a server answers to every request, whatever it asks for. */
async function withReply(
  reply: (url: URL, count: number) => Response,
  test: (url: string) => Promise<void>,
): Promise<void> {
  let count = 0;
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(options, (request) => reply(new URL(request.url), ++count));
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

async function opened(
  uri: string,
  settings: StoreSettings,
  env: Record<string, string> = {},
): Promise<ObjectStore> {
  return withEndingLists(await openStore(parseUri(uri, "it"), settings, azureContext({ env })));
}

const S3_SECRETS = { secret_key: new Secret("s") };
const CLOUDS: Record<string, {
  uri: string;
  settings(url: string): StoreSettings;
  reply(token: string, key: string): Response;
}> = {
  s3: {
    uri: "s3://box",
    settings: (endpoint) => ({
      kind: "s3",
      values: { auth_type: "accesskey", access_key_id: "k", region: "r", endpoint },
      secrets: S3_SECRETS,
    }),
    reply: (token, key) =>
      new Response(
        `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>` +
          `<Contents><Key>${key}</Key><Size>1</Size></Contents></ListBucketResult>`,
      ),
  },
  gcs: {
    uri: "gs://box",
    settings: () => ({ kind: "google", values: {}, secrets: {} }),
    reply: (token, key) => Response.json({ nextPageToken: token, items: [{ name: key, size: "1" }] }),
  },
  azure: {
    uri: "abfs://box",
    settings: (url) => azureSettings({ base_url: `${url}/account` }, KEY),
    reply: (token, key) =>
      new Response(
        `<EnumerationResults><Blobs><Blob><Name>${key}</Name><Properties><Content-Length>1</Content-Length>` +
          `</Properties></Blob></Blobs><NextMarker>${token}</NextMarker></EnumerationResults>`,
      ),
  },
};

for (const [name, { uri, settings, reply }] of Object.entries(CLOUDS)) {
  for (const circle of [1, 2, 5]) {
    Deno.test(`listing: ${name} with a circle of ${circle} tokens`, () =>
      withReply(
        (_, count) => reply(`t${count % circle}`, `d/${String(count).padStart(6, "0")}`),
        async (url) => {
          const store = await opened(`${uri}/`, settings(url), { STORAGE_EMULATOR_HOST: url });
          await assert.rejects(keysOf(store, "d/", 100), codeIs("unsupported", `${uri}/d/`, "token"));
          store.close();
        },
      ));
  }
}

/** A Redis server that answers SCAN with the cursor that a function gives. */
async function withScan(
  cursorOf: (step: number) => string,
  test: (url: string) => Promise<void>,
  key = "d/a",
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const conn of listener) {
      for (let step = 1; await conn.read(new Uint8Array(4096)) !== null; step++) {
        const cursor = cursorOf(step);
        const reply = `*2\r\n$${cursor.length}\r\n${cursor}\r\n*1\r\n$${key.length}\r\n${key}\r\n`;
        await conn.write(Uint8Array.from(reply, (character) => character.charCodeAt(0)));
      }
      conn.close();
    }
  })();
  try {
    await test(`redis://127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    await serving.catch(() => {});
  }
}

for (const circle of [1, 2, 5]) {
  Deno.test(`listing: redis with a circle of ${circle} cursors`, () =>
    withScan((step) => String(1 + step % circle), async (url) => {
      const store = await opened(`${url}/`, { kind: "redis", values: {}, secrets: {} });
      await assert.rejects(keysOf(store), codeIs("unsupported", `${url}/d/`, "cursor"));
      store.close();
    }));
}

/** Listings whose only key is no UTF-8, as each kind of store writes such a key; Google Cloud Storage has none. */
const FOREIGN: Record<string, { cloud: keyof typeof CLOUDS; body: string; shown: string }> = {
  s3: {
    cloud: "s3",
    body: "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>" +
      "<Contents><Key>d/caf%E9.txt</Key><Size>1</Size></Contents></ListBucketResult>",
    shown: "d/caf%E9.txt",
  },
  azure: {
    cloud: "azure",
    body: '<EnumerationResults><Blobs><Blob><Name Encoded="true">d/caf%E9.txt</Name><Properties>' +
      "<Content-Length>1</Content-Length></Properties></Blob></Blobs><NextMarker /></EnumerationResults>",
    shown: "d/caf%E9.txt",
  },
};

for (const [name, { cloud, body, shown }] of Object.entries(FOREIGN)) {
  Deno.test(`listing: ${name} with a key that is not UTF-8 fails at once and shows it`, async () => {
    let requests = 0;
    const reply = () => (requests++, new Response(body));
    await withReply(reply, async (url) => {
      const { uri, settings } = CLOUDS[cloud]!;
      const store = retried(await opened(`${uri}/`, settings(url)));
      await assert.rejects(keysOf(store), codeIs("unsupported", shown, "UTF-8"));
      store.close();
    });
    assert.equal(requests, 1);
  });
}

Deno.test("listing: redis with a key that is not UTF-8 fails at once and shows it", async () => {
  let steps = 0;
  const last = () => (steps++, "0");
  await withScan(last, async (url) => {
    const store = retried(await opened(`${url}/`, { kind: "redis", values: {}, secrets: {} }));
    await assert.rejects(keysOf(store), codeIs("unsupported", "d/caf\\xE9.txt", "UTF-8"));
    store.close();
  }, "d/caf\u00e9.txt");
  assert.equal(steps, 1);
});

Deno.test("listing: files with a name that is not UTF-8 fail at once and show it", async () => {
  using directory = temporaryDirectory();
  directory.write("d/ok", "x");
  const listDir: typeof sys.files.listDir = (path, onForeign) => {
    if (path.endsWith("d/")) onForeign("caf\\xE9.txt");
    return sys.files.listDir(path, onForeign);
  };
  const store = retried(
    new FileStore({ ...sys, files: { ...sys.files, listDir } }, {
      root: "s3://b",
      directory: directory.path,
    }),
  );
  await assert.rejects(keysOf(store, "d/"), codeIs("path", "caf\\xE9.txt", "UTF-8"));
  assert.deepEqual(await keysOf(store, "d/ok"), ["d/ok"]);
  assert.deepEqual(await keysOf(store, "other/"), []);
});

function retried(store: ObjectStore): ObjectStore {
  const clock = { monotonicMs: () => 0, sleep: () => Promise.resolve() };
  return withRetry(store, { clock, random: () => 0, deadlineMs: Infinity });
}
