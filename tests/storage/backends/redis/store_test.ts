/** Redis: which server, what its replies mean, hostile servers; the rest is the storage contract's, on a real server. */
import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { Secret, type StoreSettings } from "../../../../src/config/mod.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import { redisError } from "../../../../src/storage/backends/redis/faults.ts";
import { encodeCommand, Fault } from "../../../../src/storage/backends/redis/resp.ts";
import { openStore } from "../../../../src/storage/backends/mod.ts";
import { redisTarget } from "../../../../src/storage/backends/redis/settings.ts";
import { requiredPermissions } from "../../../../src/storage/permissions.ts";
import { bytesSource, type ObjectStore, readAll } from "../../../../src/storage/store.ts";
import { withRetry } from "../../../../src/storage/retry.ts";
import { Stores } from "../../../../src/storage/stores.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import { HastyClock } from "../../../support/fakes.ts";
import { memoryConfig } from "../../../support/flows.ts";
import { sys } from "../../../../src/system/deno.ts";
import type { Connection, Network } from "../../../../src/system/mod.ts";

const { signal } = new AbortController();
const CONTEXT: BackendContext = { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };

function settings(values: Record<string, string>, password?: string): StoreSettings {
  return { kind: "redis", values, secrets: password === undefined ? {} : { password: new Secret(password) } };
}

function open(uri: string, given: StoreSettings = settings({})): Promise<ObjectStore> {
  return openStore(parseUri(uri, "it"), given, CONTEXT);
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function text(store: ObjectStore, key: string): Promise<string> {
  const { body } = await store.get(key, { signal });
  return new TextDecoder().decode(await readAll(body, 1e6, () => new Error("too large")));
}

for (
  const [uri, values, wanted] of [
    ["redis://h/k", {}, "h:6379 db 0"],
    ["redis://h:1/k", {}, "h:1 db 0"],
    ["rediss://h/k", {}, "h:6379 db 0 TLS"],
    ["redis://[::1]:7/k", {}, "::1:7 db 0"],
    ["redis://h/k", { db: "3" }, "h:6379 db 3"],
    ["redis://h:1/k", { endpoint: "other" }, "other:6379 db 0"],
    ["redis://h:1/k", { endpoint: "other:2" }, "other:2 db 0"],
    ["redis://h:1/k", { endpoint: "redis://other:2/5" }, "other:2 db 5"],
    ["redis://h:1/k", { endpoint: "redis://other:2/5", db: "6" }, "other:2 db 6"],
    ["redis://h:1/k", { endpoint: "rediss://other" }, "other:6379 db 0 TLS"],
  ] as const
) {
  Deno.test(`redis: ${uri} with ${JSON.stringify(values)} is ${wanted}, and no other host is reached`, () => {
    const target = redisTarget(parseUri(uri, "it"), settings(values));
    const { secure, hostname, port, database } = target;
    assert.equal(`${hostname}:${port} db ${database}${secure ? " TLS" : ""}`, wanted);
    const { hosts, paths } = requiredPermissions(parseUri(uri, "it"), settings(values), {
      env: {},
      cwd: "/",
    });
    assert.deepEqual([hosts, paths], [
      [`${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`],
      [],
    ]);
  });
}

Deno.test("redis: an endpoint that cannot be used is refused without being shown", () => {
  const uri = parseUri("redis://h/k", "it");
  for (const endpoint of ["redis://user:secret@h:1", "http://h:1", "h:0", "h:99999", "h:1/x", "a b"]) {
    assert.throws(() => redisTarget(uri, settings({ endpoint })), (error) => {
      assert(codeIs("config", /endpoint for redis/)(error));
      assert(!String(error).includes("secret"));
      return true;
    });
  }
  assert.throws(() => redisTarget(uri, settings({ db: "x" })), codeIs("config", /db "x"/));
  assert.throws(
    () => redisTarget(parseUri("redis://u@h/k", "it"), settings({})),
    codeIs("input", /no HOST/),
  );
});

Deno.test("redis: a password goes to the configured server only", () => {
  const uri = parseUri("redis://somewhere/k", "it");
  assert.throws(() => redisTarget(uri, settings({}, "s3cr3t")), codeIs("config", /there is no endpoint/));
  assert.equal(redisTarget(uri, settings({ endpoint: "h" }, "s3cr3t")).hostname, "h");
});

Deno.test("redis: lengths of arguments count bytes", () => {
  const decoded = (args: (string | number)[], value?: number) =>
    new TextDecoder().decode(encodeCommand(args, value));
  assert.equal(decoded(["GET", "ü😀"]), "*2\r\n$3\r\nGET\r\n$6\r\nü😀\r\n");
  assert.equal(decoded(["SET", "k"], 12), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n");
});

for (
  const [line, code] of [
    ["NOAUTH Authentication required.", "denied"],
    ["WRONGPASS invalid username-password pair or user is disabled.", "denied"],
    ["NOPERM User x has no permissions", "denied"],
    ["ERR Client sent AUTH, but no password is set", "denied"],
    ["ERR invalid password", "denied"],
    ["LOADING Redis is loading the dataset in memory", "unavailable"],
    ["OOM command not allowed when used memory > 'maxmemory'.", "disk-full"],
    ["READONLY You can't write against a read only replica.", "unavailable"],
    ["ERR max number of clients reached", "throttled"],
    ["ERR string exceeds maximum allowed size (proto-max-bulk-len)", "unsupported"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "unsupported"],
    ["MOVED 3999 127.0.0.1:6381", "unsupported"],
    ["ERR no such key", "not-found"],
    ["ERR unknown command 'MULTI'", "unsupported"],
    ["NEWCODE of a later version", "unavailable"],
  ] as const
) {
  Deno.test(`redis: "${line}" is ${code}`, () => {
    assert.equal(redisError(new Fault(line), { action: "read", object: "redis://h/k" }).code, code);
  });
}

/** A server that gives each connection the same bytes as soon as it has sent something. */
async function withServer(reply: Uint8Array, test: (url: string) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(4096));
      try {
        await conn.write(reply);
        await conn.closeWrite();
        while (await conn.read(new Uint8Array(4096)) !== null);
      } catch { /* the other side went away */ }
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

for (
  const [what, reply] of [
    ["an HTTP server", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"],
    ["no bytes at all", ""],
    ["half a line", "+O"],
    ["a line without end", "+" + "x".repeat(40_000)],
    ["a bare line feed", "+OK\n"],
    ["an array of a billion", "*1000000000\r\n"],
    ["a text of a gigabyte", "$1000000000\r\nabc"],
    ["a length that is no number", "$1e9\r\n"],
    ["nested arrays", "*1\r\n".repeat(100)],
    ["a transaction that is none", "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n:1\r\n"],
    ["a value that is none", "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n:3\r\n:3\r\n"],
    ["bytes behind a value", "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n:3\r\n$3\r\nabcde\r\n"],
    ["a value cut short", "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n:9\r\n$9\r\nabc"],
  ] as const
) {
  Deno.test(`redis: ${what} instead of a reply is an error of the network`, () =>
    withServer(bytes(reply), async (url) => {
      const store = await open(`${url}/`);
      await assert.rejects(text(store, "k"), codeIs("network", /redis:\/\/127/));
      store.close();
    }));
}

const SERVER = Deno.env.get("COPILOT_TEST_REDIS");
const REQUIRED = Deno.env.get("CI") === "true" && Deno.env.get("COPILOT_REQUIRE_SERVERS") === "1";

/** A test on the real server. */
function onServer(name: string, run: (url: string) => Promise<void>): void {
  Deno.test({
    name: SERVER === undefined ? `${name} (needs COPILOT_TEST_REDIS)` : name,
    ignore: SERVER === undefined && !REQUIRED,
    fn: () => run(SERVER ?? ""),
  });
}

/** Sends a command past the store; gives the reply's text. */
async function command(url: string, ...args: string[]): Promise<string> {
  const { hostname, port } = new URL(url.replace("redis:", "http:"));
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(encodeCommand(args));
  const buffer = new Uint8Array(64 * 1024);
  const count = await conn.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

onServer(
  "redis: the configured server is asked, whatever host the URI names; values stand under the path",
  async (url) => {
    const key = `place-${sys.randomHex(8)}/a b`;
    const store = await open("redis://elsewhere.invalid:1/", settings({ endpoint: url }));
    await store.put(key, bytesSource(bytes("here")), { signal });
    assert.equal(await command(url, "GET", key), "$4\r\nhere\r\n");
    await store.delete(key, { signal });
    store.close();
  },
);

onServer("redis: user, password and database", async (url) => {
  const user = `u${sys.randomHex(8)}`;
  assert.match(await command(url, "ACL", "SETUSER", user, "on", ">the-password", "~*", "+@all"), /OK/);
  const key = `login-${user}`;
  const good = await open(`${url}/`, settings({ endpoint: url, username: user, db: "1" }, "the-password"));
  await good.put(key, bytesSource(bytes("in 1")), { signal });
  assert.equal(await text(good, key), "in 1");
  const other = await open(`${url}/`, settings({ endpoint: url }));
  await assert.rejects(text(other, key), codeIs("not-found", /no such key/));
  await good.delete(key, { signal });
  const bad = await open(`${url}/`, settings({ endpoint: url, username: user }, "the-wrong-one"));
  await assert.rejects(text(bad, key), codeIs("denied", /WRONGPASS.*check username and password/));
  await assert.rejects(text(bad, key), (error) => !String(error).includes("the-wrong-one"));
  await command(url, "ACL", "DELUSER", user);
  for (const store of [good, other, bad]) store.close();
});

onServer(
  "redis: a part sent twice stands there once, an upload runs out by itself, the object does not",
  async (url) => {
    const key = `parts-${sys.randomHex(8)}`;
    const store = await open(`${url}/`);
    const upload = await store.beginUpload(key, { signal });
    for (const [number, part] of [[1, "first,"], [1, "first,"], [2, "second"], [2, "second"]] as const) {
      await upload.part(number, bytesSource(bytes(part)), { signal });
    }
    const temporary = /\.copilot-upload:[0-9a-f]+/.exec(await command(url, "KEYS", ".copilot-upload:*"))![0];
    assert.match(await command(url, "TTL", temporary), /^:[0-9]+\r\n$/);
    assert.equal((await upload.complete({ signal })).size, 12);
    assert.equal(await text(store, key), "first,second");
    assert.equal(await command(url, "TTL", key), ":-1\r\n");
    await store.delete(key, { signal });
    store.close();
  },
);

onServer("redis: prefixes are no patterns; other types of values are no objects", async (url) => {
  const prefix = `glob-${sys.randomHex(8)}/`;
  const store = await open(`${url}/`);
  for (const name of ["a*b", "a[x]", "axb", "a-b", "a\\b"]) {
    await store.put(prefix + name, bytesSource(bytes(name)), { signal });
  }
  await command(url, "LPUSH", `${prefix}list`, "x");
  const names = async (below: string) =>
    (await store.list(prefix + below, { signal })).objects.map(({ key }) => key.slice(prefix.length));
  assert.deepEqual(await names("a*"), ["a*b"]);
  assert.deepEqual(await names("a["), ["a[x]"]);
  assert.deepEqual(await names("a\\"), ["a\\b"]);
  assert.deepEqual(await names(""), ["a*b", "a-b", "a[x]", "a\\b", "axb"]);
  await assert.rejects(text(store, `${prefix}list`), codeIs("unsupported", /holds no string/));
  for (const name of [...await names(""), "list"]) await store.delete(prefix + name, { signal });
  store.close();
});

onServer("redis: more than Redis can hold is refused before a byte is read", async (url) => {
  const store = await open(`${url}/`);
  const source = {
    size: 512 * 1024 * 1024 + 1,
    open: () => assert.fail("the source was opened"),
  };
  await assert.rejects(store.put("huge", source, { signal }), codeIs("unsupported", /at most 536870912/));
  const { maxParts, maxPartBytes } = store.traits;
  assert.equal(maxParts * maxPartBytes, 512 * 1024 * 1024);
  store.close();
});

/** A network in which every name leads to a server that must not get a byte, at the address given. */
function leadingTo(remoteAddress: string): { network: Network; sent: () => number } {
  let sent = 0;
  const connection: Connection = {
    remoteAddress,
    read: () => Promise.resolve(null),
    write: (bytes) => {
      sent += bytes.length;
      return Promise.resolve(bytes.length);
    },
    close() {},
  };
  return { network: { ...sys.network, connect: () => Promise.resolve(connection) }, sent: () => sent };
}

Deno.test("redis: a URI whose name leads to a link-local or metadata address gets not one byte", async () => {
  for (const scheme of ["redis", "rediss"]) {
    for (const address of ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"]) {
      const { network, sent } = leadingTo(address);
      const context = { ...CONTEXT, system: { ...sys, network } };
      const store = await openStore(parseUri(`${scheme}://name/`, "it"), settings({}), context);
      await assert.rejects(store.get("k", { signal }), codeIs("denied", address, "--allow-link-local"));
      assert.equal(sent(), 0);
      store.close();
    }
  }
});

Deno.test("redis: a configured endpoint may be anywhere, and --allow-link-local lifts the guard", async () => {
  for (const values of [{ endpoint: "name:1" }, { allow_link_local: "true" }]) {
    const { network, sent } = leadingTo("169.254.169.254");
    const context = { ...CONTEXT, system: { ...sys, network } };
    const store = await openStore(parseUri("redis://name/", "it"), settings(values), context);
    await assert.rejects(store.get("k", { signal }), codeIs("network"));
    assert(sent() > 0);
    store.close();
  }
});

Deno.test("redis: control characters in keys and hosts are refused before anything is sent", async () => {
  const { network, sent } = leadingTo("127.0.0.1");
  const context = { ...CONTEXT, system: { ...sys, network } };
  const store = await openStore(parseUri("redis://name/", "it"), settings({}), context);
  for (const key of ["a\r\nGET /latest HTTP/1.1", "a\0", "\u001b[2J", "a\u007f"]) {
    const refused = codeIs("input", "control characters");
    await assert.rejects(store.get(key, { signal }), refused);
    await assert.rejects(store.head(key, { signal }), refused);
    await assert.rejects(store.list(key, { signal }), refused);
    await assert.rejects(store.put(key, bytesSource(new Uint8Array(1)), { signal }), refused);
    await assert.rejects(store.beginUpload(key, { signal }), refused);
    await assert.rejects(store.delete(key, { signal }), refused);
  }
  assert.equal(sent(), 0);
  store.close();
  for (const host of ["a\u0001b", "a\u007fb:1"]) {
    assert.throws(
      () => redisTarget({ ...parseUri("redis://h/k", "it"), container: host }, settings({})),
      codeIs("input"),
    );
  }
});

/** The replies to a transaction that reads a value. @param sent bytes of it that come before the connection breaks */
function valueReply(value: string, sent = value.length): string {
  const queued = "+OK\r\n" + "+QUEUED\r\n".repeat(3);
  const head = `*3\r\n:1\r\n:${value.length}\r\n$${value.length}\r\n`;
  return queued + head + value.slice(0, sent) + (sent === value.length ? "\r\n" : "");
}

Deno.test("redis: a value that is replaced while its connection breaks is read again from its start, never mixed", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const replies = [valueReply("A".repeat(5000), 2500), valueReply("B".repeat(5000))];
  const asked: string[] = [];
  const serving = (async () => {
    for await (const conn of listener) {
      const buffer = new Uint8Array(4096);
      asked.push(new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!)));
      await conn.write(bytes(replies.shift() ?? ""));
      await conn.closeWrite();
      while (await conn.read(buffer) !== null);
      conn.close();
    }
  })();
  const stores = new Stores({
    config: memoryConfig(),
    context: { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve() },
    warn: assert.fail,
    retry: { clock: new HastyClock(), random: () => 0, deadlineMs: Infinity },
  });
  const uri = `redis://127.0.0.1:${listener.addr.port}/k`;
  const store = withRetry(await open(uri), {
    clock: new HastyClock(),
    random: () => 0,
    deadlineMs: Infinity,
  });
  const read = stores.whole({ store, key: "k" }, signal, async () => {
    const { body } = await store.get("k", { signal });
    return new TextDecoder().decode(await readAll(body, 1e6, () => new Error("too large")));
  });
  assert.equal(await read, "B".repeat(5000));
  assert.equal(asked.length, 2);
  for (const request of asked) assert.match(request, /GETRANGE\r\n\$1\r\nk\r\n\$1\r\n0\r\n\$2\r\n-1\r\n/);
  store.close();
  await stores.close();
  listener.close();
  await serving.catch(() => {});
});
