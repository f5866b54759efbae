import { assertProgress } from "../support/progress.ts";
import assert from "assert";
import { cannot, CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { decodeLiteralMap, encode } from "../../src/flyte/codec/idl.ts";
import type { Literal, LiteralType } from "../../src/flyte/types.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import type { TransferSession } from "../../src/transfer/session.ts";
import type { System } from "../../src/system/mod.ts";
import { sys } from "../../src/system/deno.ts";
import { withdrawErrors } from "../../src/run/error_document.ts";
import { upload, type UploadJob } from "../../src/run/upload.ts";
import { type Call, type Fault, FlakyStore, storeError } from "../support/fakes.ts";
import {
  bytesOf,
  FixedStores,
  MIB,
  objectsIn,
  openBelow,
  putAll,
  recordingLog,
  sessionOn,
  sidecarCommand,
  systemWith,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../support/flows.ts";
import { DIRECTORY, FILE, INTEGER, listType, mapType, outputs, STRING, unionType } from "../support/plans.ts";

interface Setup extends Disposable {
  dir: TemporaryDirectory;
  store: MemoryStore;
  flaky: FlakyStore;
  session: TransferSession;
  upload(types: Record<string, LiteralType> | null, change?: Partial<UploadJob>): Promise<void>;
  /** Raw data, without the prefix. */
  raw(): Promise<Record<string, string>>;
  outputs(): Promise<ReadonlyMap<string, Literal>>;
  hasOutputs(): Promise<boolean>;
  events: ReturnType<typeof recordingLog>["events"];
}

function setUp(
  options: {
    faultOf?: (call: Call) => Fault | null;
    system?: System;
    resumes?: boolean;
    signal?: AbortSignal;
    memoryLimitBytes?: number;
  } = {},
): Setup {
  const dir = temporaryDirectory();
  Deno.mkdirSync(dir.at("out"));
  const store = new MemoryStore("mem://b");
  const flaky = new FlakyStore(store, options.faultOf ?? (() => null));
  const session = sessionOn(options);
  const stores = new FixedStores({ "mem://b": flaky });
  const log = recordingLog();
  const under = async (prefix: string) =>
    Object.fromEntries(
      Object.entries(await objectsIn(store)).filter(([key]) => key.startsWith(prefix)).map((
        [key, text],
      ) => [key.slice(prefix.length), text]),
    );
  return {
    dir,
    store,
    flaky,
    session,
    events: log.events,
    async upload(types, change = {}) {
      const job: UploadJob = {
        interface: types === null ? undefined : encode("TypedInterface", outputs(types)),
        localDir: dir.at("out"),
        rawPrefix: "mem://b/raw",
        outputPrefix: "mem://b/meta",
        metaOutputName: "outputs.pb",
        errOutputName: "error.pb",
        mode: "UPLOAD_ON_EXIT",
        ...change,
      };
      try {
        const { outputPrefix, errOutputName } = job;
        const command = sidecarCommand(job.localDir, { outputPrefix, errOutputName });
        const withdraw = () => withdrawErrors(command, { stores, signal: session.signal, log });
        await upload(job, {
          session,
          stores,
          log,
          beforeOutputs: withdraw,
          eager: undefined,
          resumes: options.resumes === true,
        });
      } finally {
        assert.deepEqual(openBelow(dir.path), [], "descriptors are closed");
        assert.equal(session.pool.active, 0, "slots are free");
        assert.equal(flaky.openBodies, 0, "bodies are closed");
      }
    },
    raw: () => under("raw/"),
    outputs: async () => decodeLiteralMap(await bytesOf(store, "meta/outputs.pb")).literals,
    hasOutputs: async () => "outputs.pb" in await under("meta/"),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

function uriOf(literal: Literal | undefined): string {
  assert(literal?.value?.case === "scalar" && literal.value.value.value?.case === "blob");
  return literal.value.value.value.value.uri;
}

function mkfifo(path: string): void {
  assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
}

Deno.test("upload: values, files, directories, lists, maps and unions go up as the interface says", async () => {
  using setup = setUp();
  setup.dir.write("out/n", "42");
  setup.dir.write("out/f.csv", "F");
  setup.dir.write("out/d/x", "X");
  setup.dir.write("out/d/sub/y", "");
  setup.dir.write("out/l/0", "L0");
  setup.dir.write("out/l/1", "L1");
  setup.dir.write("out/m/k/z", "Z");
  setup.dir.write("out/u", "text");
  setup.dir.write("out/unasked", "never");
  await setup.upload({
    n: INTEGER,
    f: FILE,
    d: DIRECTORY,
    l: listType(FILE),
    m: mapType(DIRECTORY),
    u: unionType(INTEGER, STRING),
  });
  assert.deepEqual(await setup.raw(), {
    "d/sub/y": "",
    "d/x": "X",
    f: "F",
    "l/0": "L0",
    "l/1": "L1",
    "m/k/z": "Z",
  });
  const literals = await setup.outputs();
  assert.deepEqual([...literals.keys()].sort(), ["d", "f", "l", "m", "n", "u"]);
  assert.equal(uriOf(literals.get("f")), "mem://b/raw/f");
  assert.equal(uriOf(literals.get("d")), "mem://b/raw/d");
  assertProgress(setup.session, { files: 6, bytes: 7 });
});

Deno.test("upload: outputs.pb is put after every other object, and after nothing else", async () => {
  using setup = setUp();
  for (let i = 0; i < 100; i++) setup.dir.write(`out/d/${i}`, String(i));
  setup.dir.write("out/big", new Uint8Array(40 * MIB));
  await setup.upload({ d: DIRECTORY, big: FILE });
  const calls = setup.flaky.calls.map(({ method, key }) => `${method} ${key}`);
  assert.equal(calls.at(-1), "put meta/outputs.pb");
  assert.equal(calls.filter((call) => call.includes("outputs.pb")).length, 1);
  assert.equal(calls.length, 100 + 1 + 3 + 1 + 3);
});

for (const types of [null, {}]) {
  Deno.test(`upload: ${types === null ? "no interface" : "an interface without outputs"} is success, and puts nothing`, async () => {
    using setup = setUp();
    setup.dir.write("out/x", "X");
    await setup.upload(types);
    assert.deepEqual(await objectsIn(setup.store), {});
    await setup.upload(types, { localDir: setup.dir.at("missing") });
  });
}

Deno.test("upload: an output that is missing is an error that names it, and nothing is uploaded", async () => {
  using setup = setUp();
  setup.dir.write("out/f", "F");
  await assert.rejects(setup.upload({ f: FILE, gone: FILE }), codeIs("output", "variable gone"));
  assert.equal(setup.flaky.calls.length, 0);
});

Deno.test("upload: a directory that is not there is an error when there are outputs", async () => {
  using setup = setUp();
  await assert.rejects(
    setup.upload({ n: INTEGER }, { localDir: setup.dir.at("missing") }),
    codeIs("output", setup.dir.at("missing")),
  );
});

Deno.test("upload: a directory without files is one empty key, empty directories beside files are not kept", async () => {
  using setup = setUp();
  Deno.mkdirSync(setup.dir.at("out/empty/in/it"), { recursive: true });
  Deno.mkdirSync(setup.dir.at("out/some/empty"), { recursive: true });
  setup.dir.write("out/some/f", "F");
  await setup.upload({ empty: DIRECTORY, some: DIRECTORY });
  assert.deepEqual(await setup.raw(), { "empty/": "", "some/f": "F" });
  assert.equal(uriOf((await setup.outputs()).get("empty")), "mem://b/raw/empty");
});

Deno.test("upload: names with any character are keys as they are", async () => {
  using setup = setUp();
  const names = [
    "a b",
    "%41",
    "#?&=+",
    "new\nline",
    "\\",
    "日本語",
    "..x",
    ".hidden",
    "-",
    "\x1b[0m",
    "'\"<>",
  ];
  for (const name of names) setup.dir.write(`out/d/${name}`, name);
  await setup.upload({ d: DIRECTORY });
  assert.deepEqual(await setup.raw(), Object.fromEntries(names.map((name) => [`d/${name}`, name]).sort()));
});

Deno.test("upload: symlinks that stay inside are followed", async () => {
  using setup = setUp();
  setup.dir.write("out/data/x", "X");
  Deno.symlinkSync("data", setup.dir.at("out/d"));
  Deno.symlinkSync("data/x", setup.dir.at("out/f"));
  Deno.mkdirSync(setup.dir.at("out/e"));
  Deno.symlinkSync("../data", setup.dir.at("out/e/linked"));
  await setup.upload({ d: DIRECTORY, f: FILE, e: DIRECTORY });
  assert.deepEqual(await setup.raw(), { "d/x": "X", "e/linked/x": "X", f: "X" });
});

for (
  const [what, code, make] of [
    ["a symlink to outside", "path", (path: string) => Deno.symlinkSync("/etc/passwd", path)],
    ["a symlink to nothing", "path", (path: string) => Deno.symlinkSync("nothing", path)],
    ["a symlink to itself", "io", (path: string) => Deno.symlinkSync("bad", path)],
    ["a FIFO", "path", mkfifo],
  ] as const
) {
  for (
    const [where, types] of [["bad", { ok: FILE, bad: FILE }], ["dir/bad", {
      ok: FILE,
      dir: DIRECTORY,
    }]] as const
  ) {
    Deno.test(`upload: ${what} as ${where} is refused by variable and path, without outputs.pb`, async () => {
      using setup = setUp();
      setup.dir.write("out/ok", "fine");
      setup.dir.write("out/dir/fine", "fine");
      make(setup.dir.at(`out/${where}`));
      const variable = where === "bad" ? "variable bad" : "variable dir";
      await assert.rejects(setup.upload(types), codeIs(code, variable, setup.dir.at(`out/${where}`)));
      assert.equal(await setup.hasOutputs(), false);
    });
  }
}

Deno.test("upload: a symlink that leads back to a directory above it is refused", async () => {
  using setup = setUp();
  setup.dir.write("out/d/sub/f", "F");
  Deno.symlinkSync("..", setup.dir.at("out/d/sub/loop"));
  await assert.rejects(setup.upload({ d: DIRECTORY }), codeIs("path", "variable d", "loop"));
  assert.equal(await setup.hasOutputs(), false);
});

Deno.test("upload: a file that cannot be read is an error with its name and its variable", async () => {
  const system = systemWith({
    openRead(path) {
      if (!path.endsWith("/secret")) return sys.files.openRead(path);
      throw cannot("open", path, { denied: "permission denied" });
    },
  });
  for (const types of [{ secret: FILE }, { d: DIRECTORY }]) {
    using setup = setUp({ system });
    setup.dir.write("out/secret", "");
    setup.dir.write("out/d/secret", "");
    const variable = `variable ${Object.keys(types)[0]}`;
    await assert.rejects(setup.upload(types as never), codeIs("denied", variable, "/secret"));
    assert.equal(await setup.hasOutputs(), false);
  }
});

Deno.test("upload: DO_NOT_UPLOAD names the places and sends nothing but outputs.pb", async () => {
  using setup = setUp();
  setup.dir.write("out/f", "F");
  setup.dir.write("out/d/x", "X");
  setup.dir.write("out/n", "1");
  await setup.upload({ f: FILE, d: DIRECTORY, n: INTEGER }, { mode: "DO_NOT_UPLOAD" });
  assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["meta/outputs.pb"]);
  const literals = await setup.outputs();
  assert.equal(uriOf(literals.get("f")), "mem://b/raw/f");
  assert.equal(uriOf(literals.get("d")), "mem://b/raw/d");
});

for (
  const [what, faultOf] of [
    ["one file", ({ method, key }: Call) => method === "put" && key === "raw/d/7"],
    ["the only file", ({ key }: Call) => key === "raw/f"],
    ["a part", ({ method }: Call) => method === "part"],
    ["the marker of an empty directory", ({ key }: Call) => key === "raw/empty/"],
  ] as const
) {
  Deno.test(`upload: when ${what} fails there is no outputs.pb and no upload under way, and the variable is named`, async () => {
    using setup = setUp({ faultOf: (call) => faultOf(call) ? { error: storeError("denied") } : null });
    for (let i = 0; i < 50; i++) setup.dir.write(`out/d/${i}`, "x");
    setup.dir.write("out/f", "F");
    setup.dir.write("out/big", new Uint8Array(40 * MIB));
    Deno.mkdirSync(setup.dir.at("out/empty"));
    await assert.rejects(
      setup.upload({ d: DIRECTORY, f: FILE, big: FILE, empty: DIRECTORY }),
      codeIs("denied", "variable "),
    );
    assert.equal(await setup.hasOutputs(), false);
    assert.equal(
      setup.flaky.count("abort") + setup.flaky.count("complete"),
      setup.flaky.count("beginUpload"),
    );
  });
}

Deno.test("upload: a failed variable ends the others at once", async () => {
  using setup = setUp({ faultOf: ({ key }) => key === "raw/a/0" ? { error: storeError("denied") } : null });
  setup.dir.write("out/a/0", "");
  for (let i = 0; i < 2000; i++) setup.dir.write(`out/b/${i}`, "x");
  await assert.rejects(setup.upload({ a: DIRECTORY, b: DIRECTORY }), codeIs("denied", "variable a"));
  assert(setup.flaky.count("put") < 500, `${setup.flaky.count("put")} files went up all the same`);
});

Deno.test("upload: when outputs.pb cannot be put the run fails", async () => {
  using setup = setUp({
    faultOf: ({ key }) => key === "meta/outputs.pb" ? { error: storeError("denied") } : null,
  });
  setup.dir.write("out/n", "1");
  await assert.rejects(setup.upload({ n: INTEGER }), codeIs("denied"));
});

for (const name of ["error.pb", "errors.pb", "mine.pb"]) {
  Deno.test(`upload: the ${name} of an earlier try is removed before outputs.pb is there`, async () => {
    using setup = setUp();
    await putAll(setup.store, { [`meta/${name}`]: "old" });
    setup.dir.write("out/n", "1");
    await setup.upload({ n: INTEGER }, { errOutputName: "mine.pb" });
    assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["meta/outputs.pb"]);
    const calls = setup.flaky.calls.map(({ method, key }) => `${method} ${key}`);
    assert.deepEqual(calls.slice(3), [`delete meta/${name}`, "put meta/outputs.pb"]);
    assert(setup.events.some(({ level }) => level === "warning"));
  });
}

Deno.test("upload: without the right to see whether error.pb is there, outputs.pb is put all the same", async () => {
  using setup = setUp({
    faultOf: ({ method }) => method === "head" ? { error: storeError("denied") } : null,
  });
  setup.dir.write("out/n", "1");
  await setup.upload({ n: INTEGER });
  assert.equal(await setup.hasOutputs(), true);
});

Deno.test("upload: an old error.pb that cannot be removed fails the run before outputs.pb", async () => {
  using setup = setUp({
    faultOf: ({ method }) => method === "delete" ? { error: storeError("denied") } : null,
  });
  await putAll(setup.store, { "meta/error.pb": "old" });
  setup.dir.write("out/n", "1");
  await assert.rejects(setup.upload({ n: INTEGER }), codeIs("denied"));
  assert.equal(await setup.hasOutputs(), false);
});

Deno.test("upload: an output that would overwrite a document is refused, where both have one prefix", async () => {
  for (const name of ["outputs.pb", "error.pb", "errors.pb"]) {
    using setup = setUp();
    setup.dir.write(`out/${name}`, "x");
    const one = { rawPrefix: "mem://b/one/", outputPrefix: "mem://b/one" };
    await assert.rejects(setup.upload({ [name]: FILE }, one), codeIs("output", name));
    assert.equal(setup.flaky.calls.length, 0);
    await setup.upload({ [name]: FILE });
    assert.equal((await setup.raw())[name], "x");
  }
});

Deno.test("upload: a run that is cancelled ends with the reason and without outputs.pb", async () => {
  const controller = new AbortController();
  using setup = setUp({
    signal: controller.signal,
    faultOf({ key }) {
      if (key === "raw/d/5") controller.abort(new CopilotError("deadline", "Upload not finished within 5 s"));
      return null;
    },
  });
  for (let i = 0; i < 50; i++) setup.dir.write(`out/d/${i}`, "x");
  await assert.rejects(setup.upload({ d: DIRECTORY }), codeIs("deadline", "5 s"));
  assert.equal(await setup.hasOutputs(), false);
});

for (const bytes of [[0xff], [0x12, 0x05, 0x0a]]) {
  Deno.test(`upload: an interface of bytes ${bytes} is an error, not a crash`, async () => {
    using setup = setUp();
    await assert.rejects(setup.upload(null, { interface: Uint8Array.from(bytes) }), codeIs("input"));
    assert.equal(setup.flaky.calls.length, 0);
  });
}

Deno.test("upload: what an earlier life has stored whole is not sent again, and whatever else is there is", async () => {
  using setup = setUp({ resumes: true });
  const files = { f: "F", "d/same": "aaaa", "d/damaged": "bbbb", "d/longer": "cc", "d/new": "dd" };
  for (const [name, text] of Object.entries(files)) setup.dir.write(`out/${name}`, text);
  await putAll(setup.store, {
    "raw/f": "F",
    "raw/d/same": "aaaa",
    "raw/d/damaged": "xxxx",
    "raw/d/longer": "cccc",
  });
  await setup.upload({ f: FILE, d: DIRECTORY });
  const sent = setup.flaky.calls.filter(({ method, key }) => method === "put" && key.startsWith("raw/"));
  assert.deepEqual(sent.map(({ key }) => key).sort(), ["raw/d/damaged", "raw/d/longer", "raw/d/new"]);
  assert.equal(setup.session.progress.kept, 2);
  assert.deepEqual(await setup.raw(), files);
});

Deno.test("upload: without the right to look nothing is kept, and everything goes up", async () => {
  using setup = setUp({
    resumes: true,
    faultOf: ({ method, key }) =>
      (method === "list" || method === "head") && /^raw\//.test(key) ? { error: storeError("denied") } : null,
  });
  setup.dir.write("out/f", "F");
  setup.dir.write("out/d/x", "X");
  await putAll(setup.store, { "raw/f": "F", "raw/d/x": "X" });
  await setup.upload({ f: FILE, d: DIRECTORY });
  assert.equal(setup.session.progress.kept, 0);
  assert.deepEqual(await setup.raw(), { "d/x": "X", f: "F" });
});

Deno.test("upload: a first life looks for nothing in the store", async () => {
  using setup = setUp();
  setup.dir.write("out/d/x", "X");
  await setup.upload({ d: DIRECTORY });
  assert.equal(setup.flaky.count("list"), 0);
});
