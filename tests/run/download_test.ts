import assert from "assert";
import { cannot, CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { download, type DownloadJob } from "../../src/run/download.ts";
import { decodeLiteralMap, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal } from "../../src/flyte/types.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import type { GetResult } from "../../src/storage/store.ts";
import type { TransferSession } from "../../src/transfer/session.ts";
import { STAGING_NAME } from "../../src/transfer/staging.ts";
import { STREAM_DIRECTORY } from "../../src/run/stream_markers.ts";
import { sys } from "../../src/system/deno.ts";
import type { System } from "../../src/system/mod.ts";
import { type Call, type Fault, FlakyStore, storeError } from "../support/fakes.ts";
import {
  FixedStores,
  MIB,
  openBelow,
  putAll,
  randomBytes,
  recordingLog,
  sessionOn,
  systemWith,
  systemWithNewFiles,
  type TemporaryDirectory,
  temporaryDirectory,
  TraitStore,
} from "../support/flows.ts";
import {
  blob,
  dataset,
  integer,
  list,
  literalMap,
  map,
  none,
  offloaded,
  schema,
  text,
  tree,
  union,
} from "../support/plans.ts";
import { DIRECTORY, FILE, INTEGER } from "../support/plans.ts";

interface Setup extends Disposable {
  dir: TemporaryDirectory;
  store: MemoryStore;
  flaky: FlakyStore;
  session: TransferSession;
  allowed: string[][];
  log: ReturnType<typeof recordingLog>;
  download(change?: Partial<DownloadJob>): Promise<void>;
  /** The directory without the documents, and the documents. */
  files(): Record<string, string | null>;
  /** inputs.pb as it was written. */
  inputs(): ReadonlyMap<string, Literal>;
}

const DOCUMENTS = ["inputs.pb", "inputs.json", "inputs.yaml"];

async function setUp(
  literals: Record<string, Literal>,
  objects: Record<string, string | Uint8Array> = {},
  options: {
    store?: MemoryStore;
    faultOf?: (call: Call) => Fault | null;
    system?: System;
    allow?: (uris: readonly string[]) => Promise<void>;
    signal?: AbortSignal;
    /** Default: a warning of the stores fails the test. */
    warn?: (message: string) => void;
  } = {},
): Promise<Setup> {
  const dir = temporaryDirectory();
  const store = options.store ?? new MemoryStore("mem://b");
  await putAll(store, { "in/inputs.pb": encodeLiteralMap(literalMap(literals)), ...objects });
  const flaky = new FlakyStore(store, options.faultOf ?? (() => null));
  const session = sessionOn(options);
  const allowed: string[][] = [];
  const log = recordingLog();
  const stores = new FixedStores({ "mem://b": flaky }, options.warn);
  return {
    dir,
    store,
    flaky,
    session,
    allowed,
    log,
    async download(change = {}) {
      const job: DownloadJob = {
        from: "mem://b/in/inputs.pb",
        localDir: dir.path,
        format: "JSON",
        layout: "DIRECT",
        mode: "DOWNLOAD_EAGER",
        maxMetadataBytes: 0,
        ...change,
      };
      try {
        await download(job, {
          session,
          stores,
          log,
          async allow(uris) {
            allowed.push([...uris]);
            await options.allow?.(uris);
          },
        });
      } finally {
        assert.equal(flaky.openBodies, 0, "bodies are closed");
        assert.deepEqual(openBelow(dir.path), [], "descriptors are closed");
        assert.equal(session.pool.active, 0, "slots are free");
        assert.equal(dir.tree()[`${STAGING_NAME}/`], undefined, "unfinished files are gone");
      }
    },
    files() {
      return Object.fromEntries(Object.entries(dir.tree()).filter(([name]) => !DOCUMENTS.includes(name)));
    },
    inputs: () => decodeLiteralMap(Deno.readFileSync(dir.at("inputs.pb"))).literals,
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

function hasDocuments(setup: Setup): string[] {
  return DOCUMENTS.filter((name) => setup.dir.tree()[name] !== undefined);
}

function uriOf(literal: Literal | undefined): string {
  assert(literal?.value?.case === "scalar" && literal.value.value.value?.case === "blob");
  return literal.value.value.value.value.uri;
}

Deno.test("download: values, files, directories, lists and maps are laid out, the documents name the local paths", async () => {
  using setup = await setUp({
    n: integer(7),
    s: text("hi"),
    nothing: none(),
    f: blob("mem://b/raw/a.txt"),
    d: tree("mem://b/raw/dir"),
    l: list(integer(1), blob("mem://b/raw/a.txt")),
    m: map({ k: text("v") }),
    u: union(blob("mem://b/raw/a.txt"), FILE),
  }, {
    "raw/a.txt": "A",
    "raw/dir/x": "X",
    "raw/dir/sub/y": "Y",
    "raw/dir/empty/": "",
    "raw/dir2/no": "never",
    "raw/dir.txt": "never",
  });
  await setup.download();
  assert.deepEqual(setup.files(), {
    "d/": null,
    "d/empty/": null,
    "d/sub/": null,
    "d/sub/y": "Y",
    "d/x": "X",
    f: "A",
    "l/": null,
    "l/0": "1",
    "l/1": "A",
    "m/": null,
    "m/k": "v",
    n: "7",
    nothing: "null",
    s: "hi",
    u: "A",
  });
  assert.deepEqual(hasDocuments(setup), ["inputs.pb", "inputs.json"]);
  assert.equal(uriOf(setup.inputs().get("f")), setup.dir.at("f"));
  assert.equal(uriOf(setup.inputs().get("d")), setup.dir.at("d"));
  const json = JSON.parse(setup.dir.tree()["inputs.json"]!);
  assert.deepEqual(json.l, [1, setup.dir.at("l/1")]);
  assert.deepEqual(setup.allowed, [
    ["mem://b/raw/a.txt", "mem://b/raw/dir", "mem://b/raw/a.txt", "mem://b/raw/a.txt"],
  ]);
});

for (
  const [format, documents] of [
    ["JSON", ["inputs.pb", "inputs.json"]],
    ["YAML", ["inputs.pb", "inputs.yaml"]],
    ["PROTO", ["inputs.pb"]],
  ] as const
) {
  Deno.test(`download: --format ${format} writes ${documents.join(" and ")}`, async () => {
    using setup = await setUp({ n: integer(7) });
    await setup.download({ format });
    assert.deepEqual(hasDocuments(setup), documents);
  });
}

Deno.test("download: a format that is none is an error before anything is read", async () => {
  using setup = await setUp({ n: integer(7) });
  await assert.rejects(setup.download({ format: "TOML" }), codeIs("input", "TOML", "JSON, YAML or PROTO"));
  assert.equal(setup.flaky.calls.length, 0);
  assert.deepEqual(setup.dir.tree(), {});
});

Deno.test("download: the documents are written when every file has its name, and at no time before", async () => {
  const seen: string[][] = [];
  let dir = "";
  const system = systemWith({
    rename(from, to) {
      seen.push(
        [...Deno.readDirSync(dir)].map(({ name }) => name).filter((name) => name !== STAGING_NAME).sort(),
      );
      sys.files.rename(from, to);
    },
  });
  using setup = await setUp({ a: integer(1), f: blob("mem://b/f"), d: tree("mem://b/d") }, {
    f: "F",
    "d/1": "1",
  }, { system });
  dir = setup.dir.path;
  await setup.download();
  assert.equal(seen.length, 5);
  for (const names of seen.slice(0, 3)) {
    assert(!names.some((name) => DOCUMENTS.includes(name)), String(names));
  }
  assert.deepEqual(seen.slice(3), [["a", "d", "f"], ["a", "d", "f", "inputs.pb"]]);
});

Deno.test("download: NAMED_DIR keeps the names of files, in lists too, and tells equal names apart", async () => {
  using setup = await setUp({
    f: blob("mem://b/x/report.csv"),
    l: list(blob("mem://b/x/a"), blob("mem://b/y/a")),
  }, { "x/report.csv": "R", "x/a": "XA", "y/a": "YA" });
  await setup.download({ layout: "NAMED_DIR" });
  assert.deepEqual(setup.files(), {
    "f/": null,
    "f/report.csv": "R",
    "l/": null,
    "l/1_a": "YA",
    "l/a": "XA",
  });
  assert.equal(uriOf(setup.inputs().get("f")), setup.dir.at("f/report.csv"));
});

Deno.test("download: DO_NOT_DOWNLOAD leaves blobs where they are and writes everything else", async () => {
  using setup = await setUp({ n: integer(7), f: blob("mem://b/f"), d: tree("mem://b/d") });
  await setup.download({ mode: "DO_NOT_DOWNLOAD" });
  assert.deepEqual(setup.files(), { n: "7" });
  assert.equal(uriOf(setup.inputs().get("f")), "mem://b/f");
  assert.deepEqual(setup.flaky.calls.map(({ key }) => key), ["in/inputs.pb"]);
});

Deno.test("download: a prefix without objects is an empty directory", async () => {
  using setup = await setUp({ d: tree("mem://b/none"), e: tree("mem://b/marked/") }, { "marked/": "" });
  await setup.download();
  assert.deepEqual(setup.files(), { "d/": null, "e/": null });
});

Deno.test("download: an object of another size than its listing says names its variable", async () => {
  using setup = await setUp({ d: tree("mem://b/d") }, { "d/a": "12345" }, {
    faultOf: ({ method }) =>
      method === "get"
        ? {
          reply: (got) => ({ ...got, info: { ...got.info, size: got.info.size === 5 ? 4 : got.info.size } }),
        }
        : null,
  });
  await assert.rejects(
    setup.download(),
    codeIs("changed", "variable d", "its listing says 5 bytes, and it has 4"),
  );
});

Deno.test("download: what an earlier run has left whole is not fetched again, whatever else is there is", async () => {
  const objects = {
    one: "1111",
    "many/same": "aaaa",
    "many/damaged": "bbbb",
    "many/longer": "cc",
    "many/gone": "dd",
  };
  using setup = await setUp({ one: blob("mem://b/one"), many: tree("mem://b/many") }, objects);
  await setup.download();
  const first = setup.flaky.count("get");
  setup.dir.write("many/damaged", "xxxx");
  setup.dir.write("many/longer", "cccc");
  Deno.removeSync(setup.dir.at("many/gone"));
  await setup.download();
  const again = setup.flaky.calls.filter(({ method }) => method === "get").slice(first);
  assert.deepEqual(again.map(({ key }) => key).sort(), [
    "in/inputs.pb",
    "many/damaged",
    "many/gone",
    "many/longer",
  ]);
  assert.equal(setup.session.progress.kept, 2);
  for (const [name, text] of Object.entries(objects)) {
    assert.equal(Deno.readTextFileSync(setup.dir.at(name)), text);
  }
});

Deno.test("download: an empty directory costs no look at any file", async () => {
  let looks = 0;
  const system = systemWith({
    lstat(path) {
      if (/many\//.test(path)) looks++;
      return sys.files.lstat(path);
    },
  });
  using setup = await setUp({ many: tree("mem://b/many") }, { "many/a": "a", "many/b": "b" }, { system });
  await setup.download();
  assert.equal(looks, 0);
});

Deno.test("download: a prefix of several pages comes whole", async () => {
  const objects = Object.fromEntries(
    Array.from({ length: 2345 }, (_, i) => [`d/${i % 7}/${String(i).padStart(5, "0")}`, String(i)]),
  );
  using setup = await setUp({ d: tree("mem://b/d") }, objects);
  await setup.download({ format: "PROTO" });
  const found = Object.entries(setup.files()).filter(([, content]) => content !== null);
  assert.deepEqual(Object.fromEntries(found), objects);
  assert.equal(setup.flaky.count("list"), 3);
  assert.equal(setup.session.progress.files, 2345);
});

Deno.test("download: where a key does not exist the decoded one is taken, for files and prefixes", async () => {
  using setup = await setUp({
    both: blob("mem://b/a%20b"),
    decoded: blob("mem://b/c%20d"),
    directory: tree("mem://b/e%41"),
  }, { "a%20b": "as written", "a b": "never", "c d": "decoded", "eA/x": "X" });
  await setup.download();
  assert.deepEqual(setup.files(), {
    both: "as written",
    decoded: "decoded",
    "directory/": null,
    "directory/x": "X",
  });
});

for (
  const [what, literal] of [
    ["a multipart blob", tree],
    ["a schema", schema],
    ["a dataset", dataset],
  ] as const
) {
  Deno.test(`download: ${what} that is one object is its file in the directory`, async () => {
    using setup = await setUp({
      a: literal("mem://b/data/f.parquet"),
      b: list(literal("mem://b/data/f.parquet/"), map({ k: literal("mem://b/x%20y/g") })),
      c: literal("mem://b/dir"),
    }, { "data/f.parquet": "PAR1", "x y/g": "G", "dir/f": "F", dir: "never" });
    await setup.download();
    const found = Object.entries(setup.files()).filter(([, content]) => content !== null);
    assert.deepEqual(Object.fromEntries(found), {
      "a/f.parquet": "PAR1",
      "b/0/f.parquet": "PAR1",
      "b/1/k/g": "G",
      "c/f": "F",
    });
    assert.deepEqual(setup.log.events.filter(({ level }) => level === "warning"), []);
  });
}

Deno.test("download: a prefix without anything is an empty directory and a warning, unless a marker says so", async () => {
  using setup = await setUp(
    { gone: tree("mem://b/gone"), marked: tree("mem://b/marked"), bare: tree("mem://b/bare") },
    { "marked/": "", bare: "" },
  );
  await setup.download();
  assert.deepEqual(setup.files(), { "gone/": null, "marked/": null, "bare/": null });
  const warnings = setup.log.events.filter(({ level }) => level === "warning");
  assert.deepEqual(warnings.map(({ fields }) => fields.variable), ["gone"]);
});

Deno.test("download: without the right to look at the prefix itself an empty one stays a warning", async () => {
  using setup = await setUp({ d: tree("mem://b/d") }, {}, {
    faultOf: ({ method, key }) => method === "head" && key === "d" ? { error: storeError("denied") } : null,
  });
  await setup.download();
  assert.deepEqual(setup.files(), { "d/": null });
});

Deno.test("download: without the right to look at it a prefix that is an object is fetched all the same", async () => {
  using setup = await setUp({ d: tree("mem://b/d/f") }, { "d/f": "F", "d/f2": "no" }, {
    faultOf: ({ method, key }) => method === "head" && key === "d/f" ? { error: storeError("denied") } : null,
  });
  await setup.download();
  assert.deepEqual(setup.files(), { "d/": null, "d/f": "F" });
});

Deno.test("download: an object without bytes beside others below it is a directory", async () => {
  using setup = await setUp({ d: tree("mem://b/d") }, {
    "d/sub": "",
    "d/sub/x": "x",
    "d/sub.txt": "",
    "d/y": "y",
    "d/a/b": "",
    "d/a/b/c": "",
    "d/a/b/c/z": "z",
    "d/z": "",
  });
  await setup.download();
  const found = Object.entries(setup.files()).filter(([, content]) => content !== null);
  assert.deepEqual(Object.fromEntries(found), {
    "d/a/b/c/z": "z",
    "d/sub.txt": "",
    "d/sub/x": "x",
    "d/y": "y",
    "d/z": "",
  });
  assert.equal(setup.session.progress.files, 5);
});

Deno.test("download: an object with bytes beside others below it is still refused", async () => {
  using setup = await setUp({ d: tree("mem://b/d") }, { "d/sub": "1", "d/sub/x": "x" });
  await assert.rejects(setup.download(), codeIs("path", "variable d", "file and a directory"));
});

Deno.test("download: a name that Flyte's dataproxy gave out is found under the key that it used, with a warning", async () => {
  using setup = await setUp({
    f: blob("mem://b/up/a%20b#1.csv"),
    q: blob("mem://b/up/q?x=1"),
    d: tree("mem://b/up/d%20e#2"),
    exact: blob("mem://b/up/c#1"),
    half: blob("mem://b/up/g%20h#1"),
  }, { "up/a b": "AB", "up/q": "Q", "up/d e/x": "X", "up/c#1": "C", "up/c": "never", "up/g h#1": "GH" });
  await setup.download();
  const found = Object.entries(setup.files()).filter(([, content]) => content !== null);
  assert.deepEqual(Object.fromEntries(found), { f: "AB", q: "Q", "d/x": "X", exact: "C", half: "GH" });
  const warnings = setup.log.events.filter(({ level }) => level === "warning");
  assert.deepEqual(warnings.map(({ fields }) => fields.variable).sort(), ["d", "f", "q"]);
});

for (const [uri, code] of [["mem://b/none", "not-found"], ["mem://b/no%20ne", "not-found"]] as const) {
  Deno.test(`download: ${uri} that is not there is an error that names variable and object as written`, async () => {
    using setup = await setUp({ ok: integer(1), gone: blob(uri) });
    await assert.rejects(setup.download(), codeIs(code, "variable gone", uri));
    assert.deepEqual(hasDocuments(setup), []);
  });
}

Deno.test("download: what an earlier download left and these inputs do not name is told", async () => {
  using setup = await setUp({ n: integer(1), old: integer(2), d: tree("mem://b/d") }, { "d/x": "X" });
  setup.dir.write("mine.txt", "not a download's");
  await setup.download();
  const told = () =>
    setup.log.events.filter(({ level }) => level === "warning").map(({ fields }) => fields.names);
  assert.deepEqual(told(), []);
  await putAll(setup.store, {
    "in/inputs.pb": encodeLiteralMap(literalMap({ n: integer(1), d: tree("mem://b/d") })),
  });
  await setup.download({ format: "PROTO" });
  assert.deepEqual(told(), ['"inputs.json", "mine.txt", "old"']);
});

Deno.test("download: objects for which the disk has no room are refused before they are written", async () => {
  using setup = await setUp({ big: blob("mem://b/big") }, { big: randomBytes(3 * MIB) });
  await assert.rejects(
    setup.download({ freeBytes: 2 * MIB }),
    codeIs("disk-full", "variable big", "mem://b/big", "3.0 MiB", "2.0 MiB"),
  );
  assert.deepEqual(setup.files(), {});
});

Deno.test("download: a file that is there gives way to the one that comes, and so does its room", async () => {
  using setup = await setUp({ big: blob("mem://b/big") }, { big: randomBytes(3 * MIB) });
  await setup.download({ freeBytes: 3 * MIB });
  await putAll(setup.store, { big: randomBytes(3 * MIB + 1) });
  await setup.download({ freeBytes: MIB });
});

Deno.test("download: where an object is not there the nearest prefix that exists is named, with what it holds", async () => {
  const cases: [uri: string, said: RegExp][] = [
    [
      "mem://b/data/2026/F.csv",
      /nearest prefix that exists is "mem:\/\/b\/data\/2026\/", which holds "f.csv", "sub\/"$/,
    ],
    ["mem://b/data/2025/x/f.csv", /is "mem:\/\/b\/data\/", which holds "2026\/"$/],
    ["mem://b/other", /is "mem:\/\/b\/", which holds "data\/", "in\/"$/],
  ];
  for (const [uri, said] of cases) {
    using setup = await setUp({ f: blob(uri) }, { "data/2026/f.csv": "1", "data/2026/sub/x": "2" });
    await assert.rejects(setup.download(), codeIs("not-found", "variable f", uri, said));
    using inputs = await setUp({}, { "data/2026/f.csv": "1", "data/2026/sub/x": "2" });
    await assert.rejects(inputs.download({ from: uri }), codeIs("not-found", uri, said));
  }
});

Deno.test("download: an object that is not there is told as it is where nothing can be listed", async () => {
  using setup = await setUp({ f: blob("mem://b/no") }, {}, {
    faultOf: ({ method }) => method === "list" ? { error: storeError("denied") } : null,
  });
  await assert.rejects(setup.download(), codeIs("not-found", /variable f: .*no such object$/));
});

Deno.test("download: inputs that are not there are an error that names them", async () => {
  using setup = await setUp({});
  await assert.rejects(setup.download({ from: "mem://b/nowhere" }), codeIs("not-found", "mem://b/nowhere"));
});

for (const bytes of [[0x0a, 0xff], [0xff, 0xff, 0xff]]) {
  Deno.test(`download: inputs of bytes ${bytes} are an error, not a crash`, async () => {
    using setup = await setUp({}, { "in/inputs.pb": Uint8Array.from(bytes) });
    await assert.rejects(setup.download(), codeIs("input"));
    assert.deepEqual(setup.dir.tree(), {});
  });
}

/** One wrong byte in each read of a body. */
function damaged(got: GetResult): GetResult {
  const read = async (into: Uint8Array) => {
    const count = await got.body.read(into);
    if (count !== null) into[count - 1]! ^= 1;
    return count;
  };
  return { ...got, body: { ...got.body, read, close: () => got.body.close() } };
}

for (const key of ["in/inputs.pb", "o", "f", "d/x"]) {
  const inputs = { o: offloaded("mem://b/o"), f: blob("mem://b/f"), d: tree("mem://b/d") };
  const objects = { o: encode("Literal", text("a value")), f: "file", "d/x": "in a directory" };
  const setUpDamaged = async (times: number) => {
    const setup: Setup = await setUp(inputs, objects, {
      faultOf: ({ method, key: asked }) => {
        if (method !== "get" || asked !== key) return null;
        const before = setup.flaky.calls.filter((call) => call.method === "get" && call.key === key).length;
        return before <= times ? { reply: damaged } : null;
      },
    });
    return setup;
  };
  Deno.test(`download: ${key} is fetched again while its bytes are damaged on their way`, async () => {
    using setup = await setUpDamaged(4);
    await setup.download();
    assert.deepEqual(setup.files(), { "d/": null, "d/x": "in a directory", f: "file", o: "a value" });
  });
  Deno.test(`download: ${key} whose bytes stay wrong is an error that counts the attempts`, async () => {
    using setup = await setUpDamaged(Infinity);
    await assert.rejects(
      setup.download(),
      codeIs("integrity", `mem://b/${key}" after 5 attempts: its crc32 is`),
    );
    assert.deepEqual(hasDocuments(setup), []);
    assert.equal(setup.dir.tree()[key], undefined);
  });
}

/** A reply with an ETag that looks like an MD5 and is none, and no checksum. */
function withWrongEtag({ info: { checksum: _, ...info }, ...got }: GetResult): GetResult {
  return { ...got, info: { ...info, etagMd5: "0123456789abcdef".repeat(2) } };
}

Deno.test("download: documents, files and directories whose ETag is no MD5 are delivered, with a warning for each", async () => {
  const warnings: string[] = [];
  const inputs = { o: offloaded("mem://b/o"), f: blob("mem://b/f"), d: tree("mem://b/d") };
  const objects = { o: encode("Literal", text("a value")), f: "file", "d/x": "in a directory" };
  const faultOf = ({ method }: Call) => method === "get" ? { reply: withWrongEtag } : null;
  using setup = await setUp(inputs, objects, { faultOf, warn: (message) => warnings.push(message) });
  await setup.download();
  assert.deepEqual(setup.files(), { "d/": null, "d/x": "in a directory", f: "file", o: "a value" });
  assert(warnings.length >= 3, warnings.join("\n"));
  for (const warning of warnings) {
    assert.match(warning, /^"mem:\/\/b\/[^"]+" came twice the same, so its ETag/);
  }
});

Deno.test("download: the deadline passes also while nothing but values is written", async () => {
  const controller = new AbortController();
  const values = Object.fromEntries(
    Array.from({ length: 3000 }, (_, index) => [`v${index}`, integer(index)]),
  );
  using setup = await setUp(values, {}, { signal: controller.signal });
  const downloading = setup.download();
  const timer = setTimeout(() => controller.abort(new CopilotError("deadline", "Over")), 0);
  await assert.rejects(downloading, codeIs("deadline"));
  clearTimeout(timer);
  assert(Object.keys(setup.dir.tree()).length < 3000);
});

Deno.test("download: metadata over its bound is an error that names the setting, in inputs and in offloaded literals", async () => {
  using setup = await setUp({ s: text("x".repeat(1000)) });
  await assert.rejects(setup.download({ maxMetadataBytes: 1000 }), codeIs("input", "maxDownloadMBs", "1000"));
  await setup.download({ maxMetadataBytes: 2000 });
  using other = await setUp({ o: offloaded("mem://b/o") }, { o: encode("Literal", text("x".repeat(1000))) });
  await assert.rejects(
    other.download({ maxMetadataBytes: 1000 }),
    codeIs("input", "variable o", "maxDownloadMBs"),
  );
});

Deno.test("download: offloaded literals are resolved wherever they are, also in each other", async () => {
  using setup = await setUp({
    top: offloaded("mem://b/o/n"),
    inList: list(integer(0), offloaded("mem://b/o/n")),
    inMap: map({ k: offloaded("mem://b/o/list") }),
  }, {
    "o/n": encode("Literal", integer(42)),
    "o/list": encode("Literal", list(offloaded("mem://b/o/n"), blob("mem://b/f"))),
    f: "F",
  });
  await setup.download();
  assert.deepEqual(setup.files(), {
    "inList/": null,
    "inList/0": "0",
    "inList/1": "42",
    "inMap/": null,
    "inMap/k/": null,
    "inMap/k/0": "42",
    "inMap/k/1": "F",
    top: "42",
  });
});

Deno.test("download: an offloaded literal that holds itself is an error, not a loop", async () => {
  using setup = await setUp({ o: offloaded("mem://b/o") }, {
    o: encode("Literal", list(offloaded("mem://b/o"))),
  });
  await assert.rejects(setup.download(), codeIs("input", "mem://b/o", "16"));
  assert(setup.flaky.calls.length < 30);
});

Deno.test("download: an offloaded literal that doubles in every round is an error, not a flood", async () => {
  using setup = await setUp({ o: offloaded("mem://b/o") }, {
    o: encode("Literal", list(offloaded("mem://b/o"), offloaded("mem://b/o"))),
  });
  await assert.rejects(setup.download(), codeIs("input", "mem://b/o"));
  assert(setup.flaky.calls.length < 20_000, `${setup.flaky.calls.length} requests`);
});

for (
  const [what, key, content] of [
    ["a component ..", "d/../../evil", "E"],
    ["a component .", "d/./evil", "E"],
    ["an empty component", "d//evil", "E"],
    ["a NUL byte", "d/a\0b", "E"],
    ["bytes under a directory's key", "d/sub/", "E"],
    ["a component of 256 bytes", `d/${"x".repeat(256)}`, "E"],
  ] as const
) {
  Deno.test(`download: a key with ${what} is refused by variable and key, and nothing is outside`, async () => {
    using outer = temporaryDirectory();
    Deno.mkdirSync(outer.at("local"));
    using setup = await setUp({ bad: tree("mem://b/d") }, { [key]: content });
    await assert.rejects(setup.download({ localDir: outer.at("local") }), codeIs("path", "variable bad"));
    assert.deepEqual(Object.keys(outer.tree()).filter((name) => !name.startsWith("local/")), []);
    assert(!Object.keys(outer.tree()).some((name) => name.includes("evil")));
  });
}

for (const sortedList of [true, false]) {
  Deno.test(`download: a key that is a file and a directory is refused (sorted listing: ${sortedList})`, async () => {
    using setup = await setUp({ d: tree("mem://b/d") }, { "d/a": "1", "d/a/b": "2" }, {
      store: new TraitStore("mem://b", { sortedList }),
    });
    await assert.rejects(setup.download(), codeIs("path", "variable d", '"a/b"', '"a"'));
    assert.deepEqual(hasDocuments(setup), []);
  });
}

for (
  const [name, code] of [
    ["..", "path"],
    [".", "path"],
    ["a/b", "path"],
    ["", "path"],
    [STAGING_NAME, "input"],
    [STREAM_DIRECTORY, "input"],
    ["inputs.pb", "input"],
    ["inputs.json", "input"],
  ] as const
) {
  Deno.test(`download: a variable of the name ${JSON.stringify(name)} is refused`, async () => {
    using setup = await setUp({ [name]: integer(1) });
    await assert.rejects(setup.download(), codeIs(code, JSON.stringify(name)));
    assert.deepEqual(setup.dir.tree(), {});
  });
}

Deno.test("download: a symlink in the directory is not written through", async () => {
  using elsewhere = temporaryDirectory();
  elsewhere.write("f", "untouched");
  using setup = await setUp({ d: tree("mem://b/d"), f: blob("mem://b/f") }, { "d/x": "X", f: "F" });
  Deno.symlinkSync(elsewhere.path, setup.dir.at("d"));
  Deno.symlinkSync(elsewhere.at("f"), setup.dir.at("f"));
  await assert.rejects(setup.download(), codeIs("path", "variable d", "symlink"));
  assert.deepEqual(elsewhere.tree(), { f: "untouched" });
  Deno.removeSync(setup.dir.at("d"));
  using again = await setUp({ f: blob("mem://b/f") }, { f: "F" });
  Deno.symlinkSync(elsewhere.at("f"), again.dir.at("f"));
  await again.download();
  assert.equal(again.files().f, "F");
  assert.deepEqual(elsewhere.tree(), { f: "untouched" });
});

Deno.test("download: places that must not be reached end the run before anything is made", async () => {
  using setup = await setUp({ n: integer(1), f: blob("mem://b/f") }, { f: "F" }, {
    allow: () => Promise.reject(new CopilotError("denied", "Not there")),
  });
  await assert.rejects(setup.download(), codeIs("denied"));
  assert.deepEqual(setup.dir.tree(), {});
});

Deno.test("download: a value that no JSON can hold fails before anything moves", async () => {
  const nan = {
    value: {
      case: "scalar",
      value: { value: { case: "primitive", value: { value: { case: "floatValue", value: NaN } } } },
    },
    hash: "",
    metadata: new Map(),
  } as Literal;
  using setup = await setUp({ x: nan, f: blob("mem://b/f") }, { f: "F" });
  await assert.rejects(setup.download(), codeIs("input", "x"));
  assert.deepEqual(setup.dir.tree(), {});
  await setup.download({ format: "PROTO" });
  assert.equal(setup.files().x, "NaN");
});

Deno.test("download: a rerun after a killed run removes the leftovers and completes", async () => {
  using setup = await setUp({ f: blob("mem://b/f") }, { f: "F" });
  setup.dir.write(`${STAGING_NAME}/3`, "half");
  setup.dir.write("f", "of the run before");
  await setup.download();
  assert.deepEqual(setup.files(), { f: "F" });
});

Deno.test("download: documents of an earlier run are gone once a later one has failed", async () => {
  for (const fault of ["in/inputs.pb", "f"]) {
    using setup = await setUp({ f: blob("mem://b/f") }, { f: "F" }, {
      faultOf: ({ key }) => key === fault ? { error: storeError("denied") } : null,
    });
    for (const name of ["inputs.pb", "inputs.json"]) setup.dir.write(name, "old");
    await assert.rejects(setup.download(), codeIs("denied"));
    assert.deepEqual(hasDocuments(setup), [], fault);
  }
});

// What fails, and that nothing unfinished and no document is left (the setup looks for the rest).
for (
  const [what, code, faultOf] of [
    ["one object", "denied", ({ key }: Call) => key === "d/3" ? { error: storeError("denied") } : null],
    [
      "a body",
      "network",
      ({ key }: Call) => key === "d/3" ? { bodyBytes: 1, then: storeError("network") } : null,
    ],
    ["a listing", "denied", ({ method }: Call) => method === "list" ? { error: storeError("denied") } : null],
    [
      "the inputs",
      "denied",
      ({ key }: Call) => key.startsWith("in/") ? { error: storeError("denied") } : null,
    ],
  ] as const
) {
  Deno.test(`download: when ${what} fails, no document and nothing unfinished is left`, async () => {
    const objects = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`d/${i}`, `${i}`.repeat(100)]));
    using setup = await setUp({ d: tree("mem://b/d"), n: integer(1) }, objects, {
      faultOf: faultOf as never,
    });
    await assert.rejects(setup.download(), codeIs(code, ...(what === "the inputs" ? [] : ["variable d"])));
    assert.deepEqual(hasDocuments(setup), []);
    for (const [name, content] of Object.entries(setup.files())) {
      if (name.startsWith("d/") && content !== null) assert.equal(content, objects[name], `${name} is whole`);
    }
  });
}

Deno.test("download: a failed variable ends the others at once", async () => {
  const objects = Object.fromEntries(
    Array.from({ length: 5000 }, (_, i) => [`many/${String(i).padStart(5, "0")}`, "x"]),
  );
  using setup = await setUp({ many: tree("mem://b/many"), bad: tree("mem://b/bad") }, objects, {
    faultOf: ({ method, key }) =>
      method === "list" && key === "bad/" ? { error: storeError("denied") } : null,
  });
  await assert.rejects(setup.download(), codeIs("denied", "variable bad"));
  assert(setup.flaky.count("get") < 1000, `${setup.flaky.count("get")} objects were fetched all the same`);
});

Deno.test("download: a range of an object that has another size now names its variable", async () => {
  using setup = await setUp({ big: blob("mem://b/big") }, { big: randomBytes(24 * MIB) }, {
    store: new TraitStore("mem://b", { parallelRanges: true }),
    faultOf: ({ get }) =>
      get?.start === undefined ? null : { reply: (got) => ({ ...got, info: { ...got.info, size: 1 } }) },
  });
  await assert.rejects(setup.download(), codeIs("changed", "variable big"));
});

Deno.test("download: a full disk is told with the variable, and an error of cleaning up does not hide it", async () => {
  let full = false;
  const files = systemWithNewFiles((file) => ({
    write(bytes) {
      if (bytes.length === 1234) full = true;
      if (full) throw cannot("write", { "disk-full": "no space left on device" });
      file.write(bytes);
    },
  }));
  const system = systemWith({
    remove(path) {
      if (full && path.endsWith(STAGING_NAME)) throw new CopilotError("io", "Cannot remove");
      sys.files.remove(path);
    },
  }, files);
  const dir = temporaryDirectory();
  using setup = await setUp({ f: blob("mem://b/f") }, { f: "x".repeat(1234) }, { system });
  // The directory for unfinished files cannot be removed here, so the setup's own checks would fail.
  const failed = setup.download({ localDir: dir.path });
  await assert.rejects(failed, codeIs("disk-full", "variable f", "no space left"));
  dir[Symbol.dispose]();
});

Deno.test("download: a run that is cancelled ends with the reason", async () => {
  const controller = new AbortController();
  using setup = await setUp({ d: tree("mem://b/d") }, { "d/1": "1", "d/2": "2" }, {
    signal: controller.signal,
    faultOf({ key }) {
      if (key === "d/1") controller.abort(new CopilotError("deadline", "Download not finished within 5 s"));
      return null;
    },
  });
  await assert.rejects(setup.download(), codeIs("deadline", "5 s"));
  assert.deepEqual(hasDocuments(setup), []);
});

// ---------------------------------------------------------------- DOWNLOAD_STREAM

const STREAM = { mode: "DOWNLOAD_STREAM" } as const;
const MARK = (name: string) => `${STREAM_DIRECTORY}/${name}`;

Deno.test("download stream: each variable has its marker when its files are in place, the documents come last", async () => {
  const marked: [string, string[]][] = [];
  let dir = "";
  const system = systemWith({
    rename(from, to) {
      sys.files.rename(from, to);
      const [, variable] = to.split(`${STREAM_DIRECTORY}/`);
      if (variable !== undefined) marked.push([variable, [...Deno.readDirSync(dir)].map(({ name }) => name)]);
    },
  });
  using setup = await setUp({ n: integer(1), f: blob("mem://b/f"), d: tree("mem://b/d"), l: list() }, {
    f: "F",
    "d/1": "1",
    "d/2": "2",
  }, { system });
  dir = setup.dir.path;
  await setup.download(STREAM);
  assert.deepEqual(marked.map(([name]) => name).sort(), ["d", "f", "l", "n"]);
  for (const [name, there] of marked) {
    assert(there.includes(name), `${name} is there when it is marked`);
    assert(!there.includes("inputs.pb"));
  }
  assert.deepEqual(setup.files()[MARK("d")], "");
  assert.equal(setup.files()[MARK(".failed")], undefined);
  assert.deepEqual(hasDocuments(setup), ["inputs.pb", "inputs.json"]);
});

Deno.test("download stream: a failure is marked, and the failed variable is not", async () => {
  using setup = await setUp({ n: integer(1), d: tree("mem://b/d") }, { "d/1": "1", "d/2": "2" }, {
    faultOf: ({ key }) => key === "d/2" ? { error: storeError("denied") } : null,
  });
  await assert.rejects(setup.download(STREAM), codeIs("denied", "variable d"));
  assert.equal(setup.files()[MARK(".failed")], "");
  assert.equal(setup.files()[MARK("d")], undefined);
  assert.deepEqual(hasDocuments(setup), []);
});

Deno.test("download stream: a failure before the first file is marked too", async () => {
  using setup = await setUp({}, { "in/inputs.pb": "\xff" });
  await assert.rejects(setup.download(STREAM), codeIs("input"));
  assert.equal(setup.files()[MARK(".failed")], "");
});

Deno.test("download stream: a failure of the documents is marked too", async () => {
  const system = systemWith({
    rename(from, to) {
      if (to.endsWith("inputs.pb")) throw new CopilotError("disk-full", "No space");
      sys.files.rename(from, to);
    },
  });
  using setup = await setUp({ n: integer(1) }, {}, { system });
  await assert.rejects(setup.download(STREAM), codeIs("disk-full"));
  assert.equal(setup.files()[MARK(".failed")], "");
});

Deno.test("download stream: markers of an earlier run are gone before anything is fetched", async () => {
  let first: string[] | undefined;
  using setup = await setUp({ f: blob("mem://b/f") }, { f: "F" }, {
    faultOf({ key }) {
      if (key === "f") first = Object.keys(setup.dir.tree()).filter((name) => !name.startsWith(STAGING_NAME));
      return null;
    },
  });
  for (const name of [".failed", "f", "other"]) setup.dir.write(MARK(name), "");
  await setup.download(STREAM);
  assert.deepEqual(first, []);
  assert.deepEqual(Object.keys(setup.files()), [`${STREAM_DIRECTORY}/`, MARK("f"), "f"]);
});

Deno.test("download stream: a variable cannot have the failure's marker", async () => {
  using setup = await setUp({ ".failed": integer(1) });
  await assert.rejects(setup.download(STREAM), codeIs("input", ".failed"));
  await setup.download();
  assert.equal(setup.files()[".failed"], "1");
});

Deno.test("download stream: a failure that cannot be marked is told all the same", async () => {
  const system = systemWithNewFiles(() => ({
    write() {
      throw new CopilotError("disk-full", "No space");
    },
  }));
  using setup = await setUp({ f: blob("mem://b/f") }, { f: "F" }, { system });
  await assert.rejects(setup.download(STREAM), codeIs("disk-full", "inputs.pb"));
});

Deno.test("download: a union is what is in it", async () => {
  using setup = await setUp({ u: union(tree("mem://b/d"), DIRECTORY), i: union(integer(1), INTEGER) }, {
    "d/x": "X",
  });
  await setup.download();
  assert.deepEqual(setup.files(), { i: "1", "u/": null, "u/x": "X" });
});
