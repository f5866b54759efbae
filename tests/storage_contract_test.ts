/**
 * Every backend of the registry held to the contract, alone and in the retry layer. A backend is added by one entry here.
 *
 * Servers are named by the environment: `COPILOT_TEST_S3=http://127.0.0.1:PORT` (keys testkey and testsecret). Without it the
 * backend is shown as ignored; with `CI=true` and `COPILOT_REQUIRE_SERVERS=1` that is a failure. `COPILOT_TEST_MANY=1` lists
 * more than 5,000 objects.
 */
import type { BackendContext } from "../src/storage/backend.ts";
import { type BACKENDS, openStore } from "../src/storage/backends/mod.ts";
import { FileStore } from "../src/storage/backends/file.ts";
import type { StoreSettings } from "../src/config.ts";
import { CopilotError } from "../src/errors.ts";
import { withRetry } from "../src/storage/retry.ts";
import { parseUri } from "../src/storage/uri.ts";
import type { ObjectStore } from "../src/storage/store.ts";
import type { Files } from "../src/system.ts";
import { sys } from "../src/sys.ts";
import { storageContract, type StoreUnderTest } from "./storage_contract.ts";

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
  "if-match": undefined,
  "any-key": "no file has such a name, so it is refused",
  "long-name": "file names have 255 bytes at most",
  "key-and-prefix": "a file is no directory",
  "checksum": "files have none",
  "put-checksum": "files have none",
};

/** Files that nobody may touch. Permission bits would not do: tests may run as root. */
const DENIED_FILES = new Proxy({} as Files, {
  get: () => (path: string) => {
    throw new CopilotError("denied", `Cannot open "${path}": Permission denied`, { object: path });
  },
});

function localFixture(
  name: string,
  uri: (root: string) => string,
  prefix: (root: string) => string,
): Fixture {
  const root = Deno.makeTempDirSync();
  const settings: StoreSettings = { kind: "local", values: { path: root }, secrets: {} };
  const { "if-match": _, ...differences } = LOCAL_DIFFERENCES;
  const isPath = uri(root).startsWith("file:");
  return {
    name,
    open: () => open(uri(root), settings),
    openDenied: () => {
      const place = isPath
        ? { root: "file:/", directory: null }
        : { root: uri(root), directory: `${root}/bucket` };
      return Promise.resolve(new FileStore({ files: DENIED_FILES, randomHex: sys.randomHex }, place));
    },
    cutShort: (key) => Deno.truncate(isPath ? key : `${root}/bucket/${key}`, 2000),
    prefix: prefix(root),
    manyObjects: MANY ? 5500 : 2100,
    secrets: [],
    differences,
    close: () => Deno.remove(root, { recursive: true }),
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
};

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
