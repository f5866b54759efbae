import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import type { StorageConfig } from "../../src/config/mod.ts";
import { decode, decodeLiteralMap, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { ErrorDocument, Literal } from "../../src/flyte/types.ts";
import type { RunCommand } from "../../src/run/context.ts";
import { runInSandbox, type SandboxOptions } from "../../src/sandbox/mod.ts";
import { type Scope, scopeOf, widen } from "../../src/sandbox/permissions.ts";
import type { Fields } from "../../src/system/log.ts";
import { sys } from "../../src/system/deno.ts";
import { STAGING_NAME } from "../../src/transfer/staging.ts";
import {
  downloadCommand,
  MIB,
  sidecarCommand,
  signal,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../support/flows.ts";
import { blob, DIRECTORY, INTEGER, integer, literalMap, outputs, tree } from "../support/plans.ts";

function options(change: Partial<SandboxOptions> = {}): SandboxOptions {
  return {
    clock: sys.clock,
    env: {},
    caCerts: [],
    memoryLimitBytes: 128 * MIB,
    documentLimitBytes: 128 * MIB,
    log: { level: 0, format: "json", isTerminal: false },
    cwd: "/cwd",
    realLocalDir: "/local",
    signal,
    killImminent: signal,
    logError: () => {},
    ...change,
  };
}

function config(kind: string, values: Record<string, string> = {}): StorageConfig {
  return {
    type: "stow",
    maxDownloadBytes: 0,
    primary: { kind, values, secrets: {} },
    schemes: {},
  };
}

const MINIO = config("s3", { endpoint: "http://minio:9000", auth_type: "accesskey" });

function sorted(scope: Scope): { read: string[]; write: string[]; net: string[] } {
  return { read: [...scope.read].sort(), write: [...scope.write].sort(), net: [...scope.net].sort() };
}

// ---------------------------------------------------------------- scope

Deno.test("sandbox: a download may write to its directory and read its inputs, and nothing else of a disk", () => {
  const command = downloadCommand("/local", {
    from: "file:///in/inputs.pb",
    outputPrefix: "/out",
    storage: config("local"),
  });
  assert.deepEqual(sorted(scopeOf(command, options())), {
    read: ["/in/inputs.pb", "/local", "/out"],
    write: ["/local", "/out"],
    net: [],
  });
});

Deno.test("sandbox: a download from a store may reach its endpoint, and no file but its directory", () => {
  const command = downloadCommand("/local", {
    from: "s3://b/in",
    outputPrefix: "s3://b/out",
    storage: MINIO,
  });
  assert.deepEqual(sorted(scopeOf(command, options())), {
    read: ["/local"],
    write: ["/local"],
    net: ["minio:9000"],
  });
});

Deno.test("sandbox: an upload may read its directory and never write to it", () => {
  const command = sidecarCommand("/local", {
    rawPrefix: "s3://b/raw",
    outputPrefix: "s3://b/out",
    storage: MINIO,
  });
  assert.deepEqual(sorted(scopeOf(command, options())), { read: ["/local"], write: [], net: ["minio:9000"] });
  const local = sidecarCommand("/local", {
    rawPrefix: "raw",
    outputPrefix: "/out",
    storage: config("local"),
  });
  assert.deepEqual(sorted(scopeOf(local, options())), {
    read: ["/cwd/raw", "/local", "/out"],
    write: ["/cwd/raw", "/out"],
    net: [],
  });
});

Deno.test("sandbox: a directory behind a symlink is allowed by both of its names", () => {
  const command = downloadCommand("/link", { from: "s3://b/in", outputPrefix: "s3://b/out", storage: MINIO });
  assert.deepEqual(sorted(scopeOf(command, options({ realLocalDir: "/real" }))), {
    read: ["/link", "/real"],
    write: ["/link", "/real"],
    net: ["minio:9000"],
  });
});

// ---------------------------------------------------------------- what inputs may add

const REMOTE = downloadCommand("/local", { from: "s3://b/in", outputPrefix: "s3://b/out", storage: MINIO });
const LOCAL = downloadCommand("/local", {
  from: "/in/inputs.pb",
  outputPrefix: "/out",
  storage: config("local"),
});

for (
  const [what, command, uris, added] of [
    ["the same store", REMOTE, ["s3://b/x", "s3://other/y"], []],
    ["a web server", REMOTE, ["https://example.com/x"], ["example.com:443"]],
    ["web servers, one twice", REMOTE, ["http://a/x", "http://b:81/x", "http://a/y"], ["a:80", "b:81"]],
    ["a file, from inputs that are a file", LOCAL, ["file:///data/x"], ["/data/x"]],
    ["a file in the directory itself", LOCAL, ["file:///local/x"], []],
    ["a file whose directory's name only begins like the run's", LOCAL, ["/local2/x"], ["/local2/x"]],
    ["a file by a key that may be encoded", LOCAL, ["/data/a%20b"], ["/data/a%20b", "/data/a b"]],
    ["objects in memory", REMOTE, ["mem://b/x"], []],
  ] as const
) {
  Deno.test(`sandbox: inputs that name ${what} add ${added.join(", ") || "nothing"}`, () => {
    const scope = scopeOf(command, options());
    const before = scopeOf(command, options());
    assert.equal(widen(scope, uris, command, options()), added.length > 0);
    const fresh = [...scope.read.difference(before.read), ...scope.net.difference(before.net)];
    assert.deepEqual(fresh.toSorted(), added.toSorted());
    assert.deepEqual(scope.write, before.write, "inputs never add a place to write to");
    assert.equal(widen(scope, uris, command, options()), false, "asked again, it is there");
  });
}

for (const uri of ["file:///etc/passwd", "/etc/passwd", "etc/passwd", "FILE:///etc/passwd"]) {
  Deno.test(`sandbox: inputs from a remote store must not name ${uri}`, () => {
    const scope = scopeOf(REMOTE, options());
    assert.throws(() => widen(scope, [uri], REMOTE, options()), codeIs("denied", uri, "local files"));
    assert.deepEqual(scope, scopeOf(REMOTE, options()));
  });
}

for (
  const uri of [
    "http://169.254.169.254/latest/meta-data",
    "http://user@169.254.169.254:8080/",
    "http://2852039166/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "HTTP://Metadata.Google.Internal/",
  ]
) {
  Deno.test(`sandbox: inputs must not name ${uri}, unless --allow-link-local is given`, () => {
    assert.throws(
      () => widen(scopeOf(REMOTE, options()), [uri], REMOTE, options()),
      codeIs("denied", "--allow-link-local"),
    );
    const lifted = { ...REMOTE, allowLinkLocal: true };
    assert.equal(widen(scopeOf(lifted, options()), [uri], lifted, options()), true);
  });
}

const OWN = {
  AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:2345/creds",
  GCE_METADATA_HOST: "meta.test",
};

for (
  const [uri, refused] of [
    ["http://127.0.0.1:2345/creds", true],
    ["http://user:pw@127.0.0.1:2345/other", true],
    ["http://localhost:2345/", true],
    ["http://LOCALHOST.:2345/", true],
    ["http://[::1]:2345/", true],
    ["http://2130706433:2345/", true],
    ["http://[::ffff:127.0.0.1]:2345/", true],
    ["redis://127.0.0.1:2345/x", true],
    ["http://meta.test/x", true],
    ["http://META.test:80/x", true],
    // Another port of the same host, and another host, are not meant.
    ["http://127.0.0.1:2346/creds", false],
    ["http://127.0.0.1/", false],
    ["https://meta.test/x", false],
    ["http://other.test:2345/creds", false],
  ] as const
) {
  Deno.test(`sandbox: the run's own givers of credentials and ${uri}: ${refused ? "refused" : "allowed"}`, () => {
    const context = options({ env: OWN });
    for (const allowLinkLocal of [false, true]) {
      const command = { ...REMOTE, allowLinkLocal };
      const work = () => widen(scopeOf(command, context), [uri], command, context);
      if (refused) assert.throws(work, codeIs("denied", "its own credentials"));
      else assert.equal(work(), true);
    }
  });
}

Deno.test("sandbox: an input whose URL is none is an error that does not repeat its password", () => {
  assert.throws(
    () => widen(scopeOf(REMOTE, options()), ["http://user:hunter2@bad host/x"], REMOTE, options()),
    (error) => error instanceof CopilotError && !error.message.includes("hunter2"),
  );
});

// ---------------------------------------------------------------- runs in a Worker

interface Setup extends Disposable {
  dir: TemporaryDirectory;
  /** Runs a command with the directory `local` and the file store. */
  run(command: (dir: TemporaryDirectory) => RunCommand, change?: Partial<SandboxOptions>): Promise<number>;
  error(name?: string): ErrorDocument["error"];
}

function setUp(literals: Record<string, Literal> = {}): Setup {
  const dir = temporaryDirectory();
  dir.write("in/inputs.pb", encodeLiteralMap(literalMap(literals)));
  Deno.mkdirSync(dir.at("local"));
  return {
    dir,
    run: (command, change) =>
      runInSandbox(command(dir), options({ cwd: Deno.cwd(), realLocalDir: dir.at("local"), ...change })),
    error: (name = "out/error.pb") => decode("ErrorDocument", Deno.readFileSync(dir.at(name))).error,
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

const downloading = (dir: TemporaryDirectory) =>
  downloadCommand(dir.at("local"), {
    from: dir.at("in/inputs.pb"),
    outputPrefix: dir.at("out"),
    storage: config("local", { path: dir.at("buckets") }),
  });

const uploading = (dir: TemporaryDirectory) =>
  sidecarCommand(dir.at("local"), {
    rawPrefix: `file://${dir.at("raw")}`,
    outputPrefix: `file://${dir.at("out")}`,
    storage: config("local"),
    interface: encode("TypedInterface", outputs({ n: INTEGER, d: DIRECTORY })),
  });

Deno.test("sandbox: a download runs in it, places that its inputs name included", async () => {
  using setup = setUp();
  const { dir } = setup;
  dir.write("data/a b", "decoded");
  dir.write("data/d/x", "X");
  const literals = {
    n: integer(7),
    f: blob(`file://${dir.at("data/a%20b")}`),
    d: tree(dir.at("data/d")),
  };
  dir.write("in/inputs.pb", encodeLiteralMap(literalMap(literals)));
  assert.equal(await setup.run(downloading), 0);
  const { ["local/inputs.pb"]: pb, ["local/inputs.json"]: json, ...files } = dir.tree();
  assert(pb !== undefined && json !== undefined, "the documents are there");
  const local = Object.fromEntries(Object.entries(files).filter(([name]) => name.startsWith("local/")));
  assert.deepEqual(local, {
    "local/": null,
    "local/d/": null,
    "local/d/x": "X",
    "local/f": "decoded",
    "local/n": "7",
  });
  assert(!Object.keys(dir.tree()).some((name) => name.includes("error.pb")));
});

Deno.test("sandbox: an upload runs in it", async () => {
  using setup = setUp();
  const { dir } = setup;
  dir.write("local/n", "7");
  dir.write("local/d/x", "X");
  dir.write("local/d/y/z", "Z");
  assert.equal(await setup.run(uploading), 0);
  const { tree } = dir;
  assert.equal(tree()["raw/d/x"], "X");
  assert.equal(tree()["raw/d/y/z"], "Z");
  assert.deepEqual(
    [...decodeLiteralMap(Deno.readFileSync(dir.at("out/outputs.pb"))).literals.keys()].sort(),
    ["d", "n"],
  );
});

Deno.test("sandbox: a symlink out of the directory is not written through", async () => {
  using setup = setUp({ d: integer(7) });
  const { dir } = setup;
  dir.write("data/x", "X");
  dir.write("in/inputs.pb", encodeLiteralMap(literalMap({ d: tree(dir.at("data")) })));
  Deno.mkdirSync(dir.at("outside"));
  Deno.symlinkSync(dir.at("outside"), dir.at("local/d"));
  assert.equal(await setup.run((dir) => ({ ...downloading(dir), exitOnError: true })), 1);
  assert(setup.error()!.message.includes("symlink"), setup.error()!.message);
  assert.deepEqual([...Deno.readDirSync(dir.at("outside"))], []);
  assert.deepEqual([...Deno.readDirSync(dir.at("local"))].map(({ name }) => name), ["d"]);
});

Deno.test("sandbox: a symlink out of the directory is not read through", async () => {
  using setup = setUp();
  const { dir } = setup;
  dir.write("local/n", "7");
  dir.write("secret/s", "secret");
  Deno.mkdirSync(dir.at("local/d"));
  Deno.symlinkSync(dir.at("secret"), dir.at("local/d/link"));
  assert.equal(await setup.run(uploading), 0);
  assert(setup.error()!.message.includes("leads outside"), setup.error()!.message);
  assert(!Object.keys(dir.tree()).some((name) => name.startsWith("raw/")));
  assert.equal(dir.tree()["out/outputs.pb"], undefined);
});

// The scope is made for another working directory than the process has, so the paths that the Worker uses are not those that it
// may use: what stops it is not this program but the runtime.
Deno.test("sandbox: a write to a place that is not in the scope fails in the Worker", async () => {
  using setup = setUp({ n: integer(7) });
  const { dir } = setup;
  const command = (dir: TemporaryDirectory) => ({
    ...downloading(dir),
    from: dir.at("gone"),
    outputPrefix: "out",
  });
  await within(dir.path, async () => {
    assert.equal(await setup.run(command, { cwd: "/elsewhere" }), 1, "error.pb cannot be written");
    assert.equal(dir.tree()["out/"], undefined);
    assert.equal(await setup.run(command), 0);
    assert.equal(setup.error()!.code, "InputDownloadFailed");
  });
});

Deno.test("sandbox: a read of a place that is not in the scope fails in the Worker", async () => {
  using setup = setUp({ n: integer(7) });
  const { dir } = setup;
  const command = (dir: TemporaryDirectory) => ({ ...downloading(dir), from: "in/inputs.pb" });
  await within(dir.path, async () => {
    assert.equal(await setup.run(command, { cwd: "/elsewhere" }), 0);
    assert(/may not have read access/.test(setup.error()!.message), setup.error()!.message);
    assert.equal(dir.tree()["local/n"], undefined);
    assert.equal(await setup.run(command), 0);
    assert.equal(dir.tree()["local/n"], "7");
  });
});

/** Does something in another working directory. */
async function within(directory: string, work: () => Promise<void>): Promise<void> {
  const before = Deno.cwd();
  Deno.chdir(directory);
  try {
    await work();
  } finally {
    Deno.chdir(before);
  }
}

Deno.test("sandbox: inputs of a remote store that name a local file fail, and the file is not read", async () => {
  using setup = setUp();
  const { dir } = setup;
  dir.write("secret", "secret");
  dir.write(
    "buckets/b/in/inputs.pb",
    encodeLiteralMap(literalMap({ f: blob(`file://${dir.at("secret")}`) })),
  );
  await setup.run((dir) => ({
    ...downloading(dir),
    from: "s3://b/in/inputs.pb",
    outputPrefix: "s3://b/out",
  }));
  assert(setup.error("buckets/b/out/error.pb")!.message.includes("must not name local files"));
  assert.deepEqual(Object.keys(dir.tree()).filter((name) => name.startsWith("local/")), ["local/"]);
});

Deno.test("sandbox: what a Worker crashes of is told by error.pb", async () => {
  using setup = setUp({ n: integer(7) });
  // No number: the run fails where nothing catches it.
  assert.equal(await setup.run(downloading, { memoryLimitBytes: 1n as unknown as number }), 0);
  assert.equal(setup.error()!.code, "CopilotCrashed");
  assert(setup.error()!.message.includes("BigInt"), setup.error()!.message);
});

Deno.test("sandbox: a run that is cancelled is status 1, and leaves no error.pb", async () => {
  using setup = setUp({ n: integer(7) });
  const controller = new AbortController();
  controller.abort(new CopilotError("aborted", "Ended by a signal"));
  assert.equal(await setup.run(downloading, { signal: controller.signal }), 1);
  const names = Object.keys(setup.dir.tree());
  assert.deepEqual(names, ["in/", "in/inputs.pb", "local/"], String(names));
  assert(!names.includes(`local/${STAGING_NAME}/`));
});

Deno.test("sandbox: a failure from outside is told by a Worker that does nothing else", async () => {
  using setup = setUp({ n: integer(7) });
  const failure = { code: "MainFailed", message: "OOMKilled" };
  assert.equal(await setup.run(uploading, { failure }), 0);
  assert.equal(setup.error()!.code, "MainFailed");
});

// ---------------------------------------------------------------- failures that no Worker could tell

for (
  const uri of [
    "http://a..b/x",
    "http://*/x",
    "http://*.com/x",
    "http://a,b/x",
    "http://a~b/x",
  ]
) {
  Deno.test(`sandbox: an input at ${uri} is told by error.pb`, async () => {
    using setup = setUp({ f: blob(uri) });
    assert.equal(await setup.run(downloading), 0);
    assert.match(setup.error()!.message, /Cannot use the host/);
  });
}

Deno.test("sandbox: --from-remote at a host that is none is told by error.pb", async () => {
  using setup = setUp();
  assert.equal(await setup.run((dir) => ({ ...downloading(dir), from: "http://a..b/x" })), 0);
  assert.match(setup.error()!.message, /Cannot use the host "a\.\.b"/);
});

Deno.test("sandbox: --to-output-prefix at a host that is none is logged, since there is no place to tell it", async () => {
  using setup = setUp();
  const logged: string[] = [];
  const logError = (message: string, fields: Fields) => logged.push(`${message}: ${fields.error}`);
  const command = (dir: TemporaryDirectory) => ({ ...downloading(dir), outputPrefix: "http://a..b/x" });
  assert.equal(await setup.run(command, { logError }), 1);
  assert.match(logged.join("\n"), /cannot write the error document: Cannot use the host "a\.\.b"/);
});

Deno.test("sandbox: what no Worker can be given, its report included, is logged", async () => {
  using setup = setUp();
  const logged: string[] = [];
  const logError = (message: string, fields: Fields) => logged.push(`${message}: ${fields.error}`);
  const caCerts = [(() => {}) as unknown as string];
  assert.equal(await setup.run(downloading, { caCerts, logError }), 1);
  assert.match(logged.join("\n"), /cannot write the error document: Cannot run: .*could not be cloned/);
});

Deno.test("sandbox: places that redirects name one after another without end are told by error.pb", async () => {
  await using chain = redirectChain();
  using setup = setUp({ f: blob(chain.url) });
  assert.equal(await setup.run(downloading), 0);
  assert.match(setup.error()!.message, /more than 16 places one after another|more than 10/);
});

/** Servers that each redirect to a new one. */
function redirectChain(): AsyncDisposable & { url: string } {
  const servers: Deno.HttpServer<Deno.NetAddr>[] = [];
  const open = (): string => {
    const onward = () => new Response(null, { status: 302, headers: { location: open() } });
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, onward);
    servers.push(server);
    return `http://127.0.0.1:${server.addr.port}/x`;
  };
  return {
    url: open(),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.shutdown()));
    },
  };
}
