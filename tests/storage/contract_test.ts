/**
 * Every backend of the registry held to the contract, alone and in the retry layer. A backend is added by one entry here.
 *
 * Servers are named by the environment, as scripts/servers.sh does: `COPILOT_TEST_S3` and, besides it, `COPILOT_TEST_MINIO`,
 * `COPILOT_TEST_GCS`, `COPILOT_TEST_AZURE`, `COPILOT_TEST_REDIS`. Without its server a backend is shown as ignored; with `CI=true`
 * and `COPILOT_REQUIRE_SERVERS=1` that is a failure. `COPILOT_TEST_MANY=1` lists more than 5,000 objects.
 */
import { cannot } from "../../src/errors.ts";
import type { BackendContext } from "../../src/storage/backend.ts";
import { type BACKENDS, openStore } from "../../src/storage/backends/mod.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { FileStore } from "../../src/storage/backends/file/store.ts";
import { Secret, type StoreSettings } from "../../src/config/mod.ts";
import { withRetry } from "../../src/storage/retry.ts";
import { parseUri } from "../../src/storage/uri.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import type { Files } from "../../src/system/mod.ts";
import { sys } from "../../src/system/deno.ts";
import { CuttingProxy } from "../support/cutting_proxy.ts";
import { FlakyStore } from "../support/fakes.ts";
import { ObjectServer } from "../support/object_server.ts";
import { azureSettings, makeContainer } from "../support/azure.ts";
import { type Difference, storageContract, type StoreUnderTest } from "./contract/mod.ts";

/** What a backend brings: a store under test and how it is torn down, or why it cannot run here. */
interface Fixture extends StoreUnderTest {
  close?(): Promise<void>;
}

interface Entry {
  /** The variable without which the backend cannot be tested. */
  variable?: string;
  open(): Promise<Fixture[]>;
}

const MANY = Deno.env.get("COPILOT_TEST_MANY") === "1";
const NO_SETTINGS: StoreSettings = { kind: "", values: {}, secrets: {} };

function context(): BackendContext {
  const { signal } = new AbortController();
  return { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };
}

function open(uri: string, settings: StoreSettings, within = context()): Promise<ObjectStore> {
  return openStore(parseUri(uri, "the container"), settings, within);
}

const LOCAL_DIFFERENCES = {
  "any-key": "no file has such a name, so it is refused",
  "long-name": "file names have 255 bytes at most",
  "key-and-prefix": "a file is no directory",
  "checksum": "files have none",
  "put-checksum": "files have none",
};

/** Files that nobody may touch. Permission bits would not do: tests may run as root. */
const DENIED_FILES = new Proxy({} as Files, {
  get: () => (path: string) => {
    throw cannot("open", path, { denied: "Permission denied" });
  },
});

/** Files that are cut short as soon as something has been read. */
const CUTTING_FILES: Files = {
  ...sys.files,
  openRead(path) {
    const file = sys.files.openRead(path);
    return {
      ...file,
      read(into) {
        const count = file.read(into);
        Deno.truncateSync(path, 2000);
        return count;
      },
    };
  },
};

function localFixture(
  name: string,
  uri: (root: string) => string,
  prefix: (root: string) => string,
): Fixture {
  const root = Deno.makeTempDirSync();
  const settings: StoreSettings = { kind: "local", values: { path: root }, secrets: {} };
  const place = uri(root).startsWith("file:")
    ? { root: "file:/", directory: null }
    : { root: uri(root), directory: `${root}/bucket` };
  return {
    name,
    open: () => open(uri(root), settings),
    openDenied: () =>
      Promise.resolve(
        new FileStore({ files: DENIED_FILES, randomHex: sys.randomHex, clock: sys.clock }, place),
      ),
    openCut: () =>
      Promise.resolve(
        new FileStore({ files: CUTTING_FILES, randomHex: sys.randomHex, clock: sys.clock }, place),
      ),
    prefix: prefix(root),
    manyObjects: MANY ? 5500 : 2100,
    secrets: [],
    differences: LOCAL_DIFFERENCES,
    close: () => Deno.remove(root, { recursive: true }),
  };
}

/** What servers that speak S3 do not do, by the name that they give in their replies. */
const S3_DIFFERENCES: Record<string, Partial<Record<Difference, string>>> = {
  MinIO: {
    "any-key": "MinIO refuses empty and dot components",
    "long-name": "MinIO keeps objects in files",
    "key-and-prefix": "MinIO lists the key or what is below it",
  },
  VERSITYGW: {
    "control-character": "versitygw lists without encoding-type",
    "any-key": "versitygw keeps objects in files",
    "long-name": "versitygw keeps objects in files",
    "key-and-prefix": "versitygw keeps objects in files",
    "complete-after-abort": "versitygw takes the object that is there for the upload's",
  },
};

async function s3Fixture(endpoint: string): Promise<Fixture> {
  const reply = await fetch(endpoint);
  await reply.body?.cancel();
  const server = reply.headers.get("server") ?? "";
  const bucket = `contract-${sys.randomHex(12)}`;
  await createBucket(endpoint, bucket);
  const within = context();
  const proxy = new CuttingProxy(new URL(endpoint));
  const at = (url: string, secret: string) => open(`s3://${bucket}/`, s3Settings(url, secret), within);
  return {
    name: server === "" ? "s3" : `s3 (${server})`,
    open: () => at(endpoint, "testsecret"),
    openDenied: () => at(endpoint, "not-the-secret"),
    openCut: () => at(proxy.url, "testsecret"),
    prefix: "run/",
    manyObjects: MANY ? 5500 : 1100,
    secrets: ["testsecret", "not-the-secret"],
    differences: S3_DIFFERENCES[server] ?? {},
    close: () => proxy.close(),
  };
}

/** Reads of one store and writes of another, for a store that can only read what the other one holds. */
function readingThrough(reads: ObjectStore, writes: ObjectStore): ObjectStore {
  return {
    root: reads.root,
    traits: writes.traits,
    get: (key, options) => reads.get(key, options),
    head: (key, options) => reads.head(key, options),
    list: (prefix, options) => writes.list(prefix, options),
    put: (key, source, options) => writes.put(key, source, options),
    beginUpload: (key, options) => writes.beginUpload(key, options),
    delete: (key, options) => writes.delete(key, options),
    close: () => reads.close(),
  };
}

/** Refuses everything, as a server does that does not know who asks. */
function refusing(store: ObjectStore): ObjectStore {
  return new FlakyStore(store, ({ key }) => {
    const object = `${store.root}/${key}`;
    return { error: cannot("reach", object, { denied: "403" }) };
  });
}

function httpFixture(): Fixture {
  const memory = new MemoryStore("mem://behind");
  const server = new ObjectServer(memory);
  const proxy = new CuttingProxy(new URL(server.url));
  const refused = refusing(memory);
  const refusingServer = new ObjectServer(refused);
  const at = (url: string) => open(`${url}/`, NO_SETTINGS);
  return {
    name: "http, reading what memory holds",
    open: async () => readingThrough(await at(server.url), memory),
    openDenied: async () => readingThrough(await at(refusingServer.url), refused),
    openCut: () => at(proxy.url),
    prefix: "run/",
    manyObjects: 1100,
    secrets: [],
    differences: {
      "exact-keys": "a key is a piece of a URL, with a URL's escapes",
      "any-key": "a key is a piece of a URL",
      "control-character": "a key is a piece of a URL",
      "checksum": "HTTP has none",
      "put-checksum": "bytes are only read",
    },
    async close() {
      await proxy.close();
      await server.close();
      await refusingServer.close();
    },
  };
}

/** A server of tokens and objects that gives tokens and takes none. */
function refusingGcs(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    if (new URL(url).pathname === "/token") {
      return Response.json({ access_token: "a-refused-token", expires_in: 3600, token_type: "Bearer" });
    }
    return Response.json({ error: { code: 401, message: "Invalid Credentials" } }, { status: 401 });
  });
}

async function gcsFixture(endpoint: string): Promise<Fixture> {
  const bucket = `contract-${sys.randomHex(12)}`;
  const made = await fetch(`${endpoint}/storage/v1/b`, {
    method: "POST",
    body: JSON.stringify({ name: bucket }),
  });
  await made.body?.cancel();
  if (!made.ok) throw new Error(`Cannot create the bucket ${bucket}: status ${made.status}`);
  const proxy = new CuttingProxy(new URL(endpoint));
  const refused = refusingGcs();
  const at = (host: string) => {
    const within = { ...context(), env: { STORAGE_EMULATOR_HOST: host } };
    return open(`gs://${bucket}/`, { kind: "google", values: {}, secrets: {} }, within);
  };
  const refusedUrl = `http://127.0.0.1:${refused.addr.port}`;
  const user = {
    type: "authorized_user",
    client_id: "a-client",
    client_secret: "a-client-secret",
    refresh_token: "a-refresh-token",
    token_uri: `${refusedUrl}/token`,
  };
  return {
    name: "gcs (fake-gcs-server)",
    open: () => at(endpoint),
    openDenied: () =>
      open(`gs://${bucket}/`, {
        kind: "google",
        values: { endpoint: refusedUrl },
        secrets: { json: new Secret(JSON.stringify(user)) },
      }),
    openCut: () => at(proxy.url),
    prefix: "run/",
    manyObjects: MANY ? 5500 : 1100,
    secrets: ["a-client-secret", "a-refresh-token", "a-refused-token"],
    differences: {},
    async close() {
      await proxy.close();
      await refused.shutdown();
    },
  };
}

async function azureFixture(endpoint: string): Promise<Fixture> {
  const key = Deno.env.get("COPILOT_TEST_AZURE_KEY") ?? "";
  const container = `contract-${sys.randomHex(12)}`;
  await makeContainer(endpoint, key, container);
  const proxy = new CuttingProxy(new URL(endpoint));
  const otherKey = btoa("not the key");
  const at = (url: string, secret: string) =>
    open(`abfs://${container}/`, azureSettings({ base_url: url }, secret));
  return {
    name: "azure (azurite)",
    open: () => at(endpoint, key),
    openDenied: () => at(endpoint, otherKey),
    openCut: () => at(`${proxy.url}${new URL(endpoint).pathname}`, key),
    prefix: "run/",
    manyObjects: MANY ? 5500 : 2100,
    secrets: [key, otherKey],
    differences: {
      "any-key": "Azure resolves dot components, so they are refused",
      "backslash": "Azure takes it for a slash, so it is refused",
      "control-character": "azurite cannot list them",
    },
    close: () => proxy.close(),
  };
}

function redisFixture(endpoint: string): Fixture {
  const proxy = new CuttingProxy(new URL(endpoint.replace("redis:", "http:")));
  const host = endpoint.slice("redis://".length);
  const at = (values: Record<string, string>, secrets: StoreSettings["secrets"] = {}) =>
    open(`redis://${host}/`, { kind: "redis", values, secrets });
  return {
    name: "redis",
    open: () => at({}),
    openDenied: () => at({ endpoint, username: "nobody" }, { password: new Secret("not-the-password") }),
    openCut: () => at({ endpoint: new URL(proxy.url).host }),
    prefix: `contract-${sys.randomHex(12)}/`,
    manyObjects: MANY ? 12_000 : 5500,
    secrets: ["not-the-password"],
    differences: {
      "control-character": "they are never sent to Redis",
      "if-match": "a value has no version",
      "checksum": "a value has none",
      "put-checksum": "the server verifies none",
    },
    close: () => proxy.close(),
  };
}

const ENTRIES: Record<keyof typeof BACKENDS, Entry> = {
  file: {
    open: () =>
      Promise.resolve([
        localFixture("file", (root) => `file://${root}`, (root) => `${root}/run/`),
        localFixture("file (storage.type=local)", () => "s3://bucket", () => "run/"),
      ]),
  },
  mem: {
    open() {
      const within = context();
      within.system = { ...sys };
      return Promise.resolve([{
        name: "mem",
        open: () => open("mem://bucket", NO_SETTINGS, within),
        prefix: "run/",
        manyObjects: MANY ? 5500 : 2100,
        secrets: [],
        differences: {
          "denied": "nobody is refused",
          "cut-short": "there is no connection that could end",
          "put-checksum": "bytes are only moved in memory",
        },
      }]);
    },
  },
  http: { open: () => Promise.resolve([httpFixture()]) },
  redis: {
    variable: "COPILOT_TEST_REDIS",
    open() {
      const endpoint = Deno.env.get("COPILOT_TEST_REDIS") ?? "";
      if (endpoint === "") {
        throw new Error("COPILOT_TEST_REDIS is not set, expected redis://HOST:PORT of a Redis server");
      }
      return Promise.resolve([redisFixture(endpoint)]);
    },
  },
  s3: {
    variable: "COPILOT_TEST_S3",
    async open() {
      const endpoint = Deno.env.get("COPILOT_TEST_S3") ?? "";
      if (endpoint === "") {
        throw new Error("COPILOT_TEST_S3 is not set, expected http://HOST:PORT of an S3 server");
      }
      const others = [Deno.env.get("COPILOT_TEST_MINIO") ?? ""].filter((other) => other !== "");
      return await Promise.all([endpoint, ...others].map(s3Fixture));
    },
  },
  gcs: {
    variable: "COPILOT_TEST_GCS",
    async open() {
      const endpoint = Deno.env.get("COPILOT_TEST_GCS") ?? "";
      if (endpoint === "") {
        throw new Error("COPILOT_TEST_GCS is not set, expected http://HOST:PORT of fake-gcs-server");
      }
      return [await gcsFixture(endpoint)];
    },
  },
  azure: {
    variable: "COPILOT_TEST_AZURE",
    async open() {
      const endpoint = Deno.env.get("COPILOT_TEST_AZURE") ?? "";
      if (endpoint === "") {
        throw new Error("COPILOT_TEST_AZURE is not set, expected http://HOST:PORT/ACCOUNT of azurite");
      }
      return [await azureFixture(endpoint)];
    },
  },
};

/** Settings of `stow.config` for a test server. */
function s3Settings(endpoint: string, secretKey: string): StoreSettings {
  return {
    kind: "s3",
    values: {
      auth_type: "accesskey",
      access_key_id: "testkey",
      region: "us-east-1",
      endpoint,
      disable_ssl: "true",
    },
    secrets: { secret_key: new Secret(secretKey) },
  };
}

async function createBucket(endpoint: string, bucket: string): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
  const credentials = { accessKeyId: "testkey", secretAccessKey: "testsecret" };
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } finally {
    client.destroy();
  }
}

const REQUIRED = Deno.env.get("CI") === "true" && Deno.env.get("COPILOT_REQUIRE_SERVERS") === "1";

for (const [backend, { variable, open }] of Object.entries(ENTRIES)) {
  const isMissing = variable !== undefined && !Deno.env.get(variable);
  const reason = isMissing ? ` (needs ${variable})` : "";
  Deno.test({
    name: `storage contract: ${backend}${reason}`,
    ignore: isMissing && !REQUIRED,
    fn: (t) => run(t, open),
  });
}

async function run(t: Deno.TestContext, open: Entry["open"]): Promise<void> {
  for (const fixture of await open()) {
    try {
      await t.step(`${fixture.name}, alone`, (t) => storageContract(t, fixture));
      await t.step(`${fixture.name}, retried`, (t) => storageContract(t, fixture, retried));
    } finally {
      await fixture.close?.();
    }
  }
}

/** The retry layer with a policy that does not wait long for a fault that stays. */
function retried(store: ObjectStore): ObjectStore {
  return withRetry(store, { clock: sys.clock, random: () => 0, deadlineMs: Infinity, attempts: 3 });
}
