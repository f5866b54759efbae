import assert from "assert";
import { cannot, CopilotError } from "../../src/errors.ts";
import { decode, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { type ContainerError, ErrorKind, ErrorOrigin } from "../../src/flyte/types.ts";
import { createMasker } from "../../src/system/log.ts";
import { reportFailure } from "../../src/run/error_document.ts";
import { run } from "../../src/run/mod.ts";
import { type RunFailure, toErrorDocument } from "../../src/flyte/codec/error_document.ts";
import type { RunCommand, RunContext } from "../../src/run/context.ts";
import { backend } from "../../src/storage/backends/memory/mod.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { bytesSource, type ObjectStore } from "../../src/storage/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import type { System } from "../../src/system/mod.ts";
import { FakeClock, HastyClock, settle, storeError } from "../support/fakes.ts";
import {
  bytesOf,
  downloadCommand,
  memoryConfig,
  MIB,
  objectsIn,
  putAll,
  recordingLog,
  sidecarCommand,
  signal,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../support/flows.ts";
import { blob, DIRECTORY, FILE, INTEGER, integer, literalMap, outputs, tree } from "../support/plans.ts";

interface Setup extends Disposable {
  dir: TemporaryDirectory;
  /** The container `mem://b` of the run. */
  store: MemoryStore;
  log: ReturnType<typeof recordingLog>;
  context(change?: Partial<RunContext>): RunContext;
  run(command: RunCommand, change?: Partial<RunContext>): Promise<number>;
  /** error.pb, or null. */
  error(): Promise<ContainerError | null>;
}

async function setUp(
  objects: Record<string, string | Uint8Array> = {},
  options: { system?: Partial<System>; secrets?: string[] } = {},
): Promise<Setup> {
  const dir = temporaryDirectory();
  const system: System = { ...sys, ...options.system };
  const world = { system, env: {}, caCerts: [], allow: () => Promise.resolve(), signal };
  const store = await backend.open(parseUri("mem://b/x", ""), memoryConfig().primary, world) as MemoryStore;
  await putAll(store, objects);
  const log = recordingLog();
  const context = (change: Partial<RunContext> = {}): RunContext => ({
    system,
    log,
    view: { columns: () => null, isPod: false },
    print() {},
    mask: createMasker(options.secrets ?? []),
    env: {},
    caCerts: [],
    memoryLimitBytes: 128 * MIB,
    documentLimitBytes: 128 * MIB,
    signal,
    killImminent: signal,
    spentMs: 0,
    allow: () => Promise.resolve(),
    ...change,
  });
  return {
    dir,
    store,
    log,
    context,
    run: (command, change) => run(command, context(change)),
    async error() {
      const there = await pristine(store).head("out/error.pb", { signal }).then(() => true, () => false);
      return there
        ? decode("ErrorDocument", await bytesOf(pristine(store), "out/error.pb")).error ?? null
        : null;
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** The store without what a test has put in the place of its calls. */
function pristine(store: MemoryStore): Pick<ObjectStore, "get" | "head"> {
  const { get, head } = MemoryStore.prototype;
  return {
    get: (key, options) => get.call(store, key, options),
    head: (key, options) => head.call(store, key, options),
  };
}

const INPUTS = encodeLiteralMap(literalMap({ n: integer(7), f: blob("mem://b/f") }));
const ONE_OUTPUT = encode("TypedInterface", outputs({ n: INTEGER }));
const FILE_OUTPUT = encode("TypedInterface", outputs({ f: FILE }));
const DIRECTORY_OUTPUT = encode("TypedInterface", outputs({ f: DIRECTORY }));

Deno.test("run: a download that succeeds is status 0, one closing line, and no error.pb", async () => {
  using setup = await setUp({ "in/inputs.pb": INPUTS, f: "F" });
  assert.equal(await setup.run(downloadCommand(setup.dir.path)), 0);
  assert.equal(await setup.error(), null);
  const closing = setup.log.events.filter(({ level }) => level === "summary" || level === "error");
  assert.equal(closing.length, 1);
  assert.equal(closing[0]!.message, "download finished");
  const { files, bytes, retries, seconds } = closing[0]!.fields;
  assert.deepEqual({ files, bytes, retries }, { files: 2, bytes: 1, retries: 0 });
  assert.equal(typeof seconds, "number");
});

for (const [exitOnError, status] of [[false, 0], [true, 1]] as const) {
  Deno.test(`run: a failed download is told by error.pb, status ${status} with exitOnError ${exitOnError}`, async () => {
    using setup = await setUp({ "in/inputs.pb": INPUTS });
    assert.equal(await setup.run(downloadCommand(setup.dir.path, { exitOnError })), status);
    const error = await setup.error();
    assert(error !== null);
    assert.equal(error.code, "InputDownloadFailed");
    assert.equal(error.kind, ErrorKind.RECOVERABLE);
    assert.equal(error.origin, ErrorOrigin.SYSTEM);
    assert(error.message.includes("variable f") && error.message.includes("mem://b/f"), error.message);
    const closing = setup.log.events.find(({ level }) => level === "error");
    assert.equal(closing?.fields.code, "not-found");
  });

  Deno.test(`run: a failed upload is told by error.pb, status ${status} with exitOnError ${exitOnError}`, async () => {
    using setup = await setUp();
    const command = sidecarCommand(setup.dir.path, { exitOnError, interface: ONE_OUTPUT });
    assert.equal(await setup.run(command), status);
    const error = await setup.error();
    assert(error !== null);
    assert.equal(error.code, "OutputUploadFailed");
    assert.equal(error.kind, ErrorKind.RECOVERABLE);
    assert.equal(error.origin, ErrorOrigin.USER);
    assert(error.message.includes("variable n"), error.message);
    assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["out/error.pb"]);
  });

  Deno.test(`run: error.pb that cannot be written is status 1 with exitOnError ${exitOnError}`, async () => {
    using setup = await setUp();
    setup.store.put = () => Promise.reject(storeError("denied"));
    const command = sidecarCommand(setup.dir.path, { exitOnError, interface: ONE_OUTPUT });
    assert.equal(await setup.run(command), 1);
    const told = setup.log.events.at(-1)!;
    assert.equal(told.level, "error");
    assert.equal(told.fields.uri, "mem://b/out/error.pb");
  });
}

Deno.test("run: an output prefix that nothing can be written to is status 1", async () => {
  using setup = await setUp();
  const command = sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT, outputPrefix: "https://host/out" });
  assert.equal(await setup.run(command), 1);
  assert(String(setup.log.events.at(-1)!.fields.error).includes("read only"));
});

Deno.test("run: the task's own error has its code, kind and origin", async () => {
  using setup = await setUp();
  setup.dir.write(
    "_ERROR",
    JSON.stringify({ message: "bad rows", code: "BadRows", kind: "NON_RECOVERABLE", origin: "SYSTEM" }),
  );
  assert.equal(await setup.run(sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT })), 0);
  const { code, message, kind, origin } = (await setup.error())!;
  assert.deepEqual({ code, message, kind, origin }, {
    code: "BadRows",
    message: "User Error: bad rows",
    kind: ErrorKind.NON_RECOVERABLE,
    origin: ErrorOrigin.SYSTEM,
  });
});

Deno.test("run: a text in _ERROR has the upload's code and is the user's", async () => {
  using setup = await setUp();
  setup.dir.write("_ERROR", "it broke\n");
  await setup.run(sidecarCommand(setup.dir.path));
  const { code, message, kind, origin } = (await setup.error())!;
  assert.deepEqual({ code, message, kind, origin }, {
    code: "OutputUploadFailed",
    message: "User Error: it broke\n",
    kind: ErrorKind.RECOVERABLE,
    origin: ErrorOrigin.USER,
  });
});

Deno.test("run: secrets are masked in error.pb", async () => {
  using setup = await setUp({}, { secrets: ["hunter2hunter2"] });
  setup.dir.write("_ERROR", "login with hunter2hunter2 failed");
  await setup.run(sidecarCommand(setup.dir.path));
  assert.equal((await setup.error())!.message, "User Error: login with *** failed");
  using other = await setUp({
    "in/inputs.pb": encodeLiteralMap(literalMap({ f: blob("mem://b/hunter2hunter2") })),
  }, {
    secrets: ["hunter2hunter2"],
  });
  await other.run(downloadCommand(other.dir.path));
  const { message } = (await other.error())!;
  assert(message.includes("mem://b/***") && !message.includes("hunter2"), message);
});

Deno.test("run: the names of the documents are the command's", async () => {
  using setup = await setUp();
  setup.dir.write("n", "1");
  const names = { metaOutputName: "o.pb", errOutputName: "e.pb", outputPrefix: "mem://b/meta/" };
  await setup.run(sidecarCommand(setup.dir.path, { ...names, interface: ONE_OUTPUT }));
  assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["meta/o.pb"]);
  await setup.run(sidecarCommand(setup.dir.path, { ...names, interface: FILE_OUTPUT }));
  assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["meta/e.pb"]);
});

// ---------------------------------------------------------------- error.pb of an earlier try

/** An error document with a code. */
function documentOf(code: string): Uint8Array {
  return encode("ErrorDocument", toErrorDocument({ code, message: "of an earlier try" }));
}

const OWN = documentOf("InputDownloadFailed");

Deno.test("run: a success removes the error document of an earlier try, whatever its name", async () => {
  for (const name of ["error.pb", "errors.pb"]) {
    using setup = await setUp({ "in/inputs.pb": INPUTS, f: "F", [`out/${name}`]: OWN });
    assert.equal(await setup.run(downloadCommand(setup.dir.path)), 0);
    assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["f", "in/inputs.pb"]);
    setup.dir.write("up/n", "1");
    await putAll(setup.store, { [`out/${name}`]: "old" });
    assert.equal(await setup.run(sidecarCommand(setup.dir.at("up"), { interface: ONE_OUTPUT })), 0);
    assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["f", "in/inputs.pb", "out/outputs.pb"]);
  }
});

Deno.test("run: a download leaves the error document of anything but a download", async () => {
  for (const document of [documentOf("OutputUploadFailed"), documentOf("USER:ValueError"), "no document"]) {
    for (const name of ["error.pb", "errors.pb"]) {
      using setup = await setUp({ "in/inputs.pb": INPUTS, f: "F", [`out/${name}`]: document });
      assert.equal(await setup.run(downloadCommand(setup.dir.path)), 0);
      assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["f", "in/inputs.pb", `out/${name}`]);
    }
  }
});

Deno.test("run: a download without --to-output-prefix writes nothing remote, and fails with status 1", async () => {
  const objects = { "in/inputs.pb": INPUTS, "out/error.pb": OWN, "error.pb": OWN };
  using setup = await setUp(objects);
  const calls: string[] = [];
  const refuse = (method: string) => () =>
    Promise.reject(storeError("internal", { message: String(calls.push(method)) }));
  Object.assign(setup.store, {
    put: refuse("put"),
    delete: refuse("delete"),
    beginUpload: refuse("beginUpload"),
  });
  const command = downloadCommand(setup.dir.path, { outputPrefix: undefined });
  assert.equal(await setup.run(command), 1);
  assert.match(String(setup.log.events.at(-1)!.fields.error), /variable f/);
  await MemoryStore.prototype.put.call(setup.store, "f", bytesSource(new Uint8Array(1)), { signal });
  assert.equal(await setup.run(command), 0);
  assert.deepEqual(calls, []);
});

Deno.test("run: what a task leaves behind is the user's fault, what a store does is the system's", async () => {
  const cases: [what: string, origin: number, change: (setup: Setup) => void][] = [
    ["an output that is missing", ErrorOrigin.USER, () => {}],
    ["an output that does not parse", ErrorOrigin.USER, ({ dir }) => dir.write("n", "seven")],
    ["a symlink to outside", ErrorOrigin.USER, ({ dir }) => Deno.symlinkSync("/etc/passwd", dir.at("n"))],
    ["an _ERROR that is a directory", ErrorOrigin.USER, ({ dir }) => Deno.mkdirSync(dir.at("_ERROR"))],
    ["a store that refuses", ErrorOrigin.SYSTEM, ({ dir, store }) => {
      dir.write("n", "7");
      const put = store.put.bind(store);
      store.put = (key, ...rest) =>
        key === "out/outputs.pb" ? Promise.reject(storeError("denied")) : put(key, ...rest);
    }],
  ];
  for (const [what, origin, change] of cases) {
    using setup = await setUp();
    change(setup);
    await setup.run(sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT }));
    assert.equal((await setup.error())?.origin, origin, what);
  }
});

Deno.test("run: outputs that are missing after a failed download are the download's fault, and its error stays", async () => {
  using setup = await setUp({ "out/error.pb": OWN });
  for (let life = 0; life < 2; life++) {
    await setup.run(sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT }));
    const { code, message, origin } = (await setup.error())!;
    assert.equal(code, "InputDownloadFailed");
    assert.equal(origin, ErrorOrigin.SYSTEM);
    assert.match(message, /^of an earlier try; after that: Cannot upload[^;]*$/);
  }
});

Deno.test("run: the removal of an old error.pb, however slow, does not take the new one", async () => {
  using setup = await setUp({ "in/inputs.pb": INPUTS, "out/error.pb": OWN });
  const remove = setup.store.delete.bind(setup.store);
  let begun = false;
  setup.store.delete = async (key, options) => {
    begun = true;
    for (let turn = 0; turn < 100; turn++) await sys.clock.sleep(0);
    await remove(key, options);
  };
  assert.equal(await setup.run(downloadCommand(setup.dir.path)), 0);
  assert.equal(begun, true);
  assert.equal((await setup.error())?.code, "InputDownloadFailed");
});

Deno.test("run: an old error.pb that cannot be removed fails the download", async () => {
  using setup = await setUp({ "in/inputs.pb": INPUTS, f: "F", "out/error.pb": OWN });
  setup.store.delete = () => Promise.reject(storeError("denied"));
  const get = setup.store.get.bind(setup.store);
  setup.store.get = async (key, options) => {
    for (let turn = 0; turn < 10; turn++) await sys.clock.sleep(0);
    return await get(key, options);
  };
  assert.equal(await setup.run(downloadCommand(setup.dir.path, { exitOnError: true })), 1);
  assert.equal((await setup.error())?.code, "InputDownloadFailed");
});

// ---------------------------------------------------------------- the run's time

/** A call that waits for its signal, like a server that does not answer. */
function unanswered({ signal }: { signal: AbortSignal }): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(storeError("aborted"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}

const DIRECTORY_INPUTS = encodeLiteralMap(literalMap({ d: tree("mem://b/d") }));

for (
  const [what, stand] of [
    ["reading the inputs", (store: MemoryStore) => store.get = (_, options) => unanswered(options)],
    ["listing a directory", (store: MemoryStore) => store.list = (_, options) => unanswered(options)],
    [
      "looking for an old error.pb",
      (store: MemoryStore) => store.head = (_, options) => unanswered(options),
    ],
    ["fetching an object", (store: MemoryStore) => {
      const get = store.get.bind(store);
      store.get = (key, options) => key.startsWith("d/") ? unanswered(options) : get(key, options);
    }],
  ] as const
) {
  Deno.test(`run: a deadline that passes while ${what} is told by error.pb`, async () => {
    const clock = new FakeClock();
    using setup = await setUp({ "in/inputs.pb": DIRECTORY_INPUTS, "d/x": "X" }, { system: { clock } });
    stand(setup.store);
    const status = setup.run(downloadCommand(setup.dir.path, { timeoutMs: 5000 }));
    await clock.advance(4999);
    assert.equal(await setup.error(), null);
    await clock.advance(1);
    await clock.advance(1000);
    assert.equal(await status, 0);
    const { code, message } = (await setup.error())!;
    assert.equal(code, "InputDownloadFailed");
    assert(message.includes("Download not finished within 5 s"), message);
    assert.equal(clock.waiting, 0, "no timer is left");
  });
}

for (
  const [what, key] of [["sending raw data", "raw/f"], ["writing outputs.pb", "out/outputs.pb"]] as const
) {
  Deno.test(`run: a deadline that passes while ${what} is told by error.pb, without outputs.pb`, async () => {
    const clock = new FakeClock();
    using setup = await setUp({}, { system: { clock } });
    setup.dir.write("f", "F");
    const put = setup.store.put.bind(setup.store);
    setup.store.put = (name, source, options) =>
      name === key ? unanswered(options) : put(name, source, options);
    const status = setup.run(sidecarCommand(setup.dir.path, { timeoutMs: 5000, interface: FILE_OUTPUT }));
    await clock.advance(6000);
    assert.equal(await status, 0);
    const { code, message } = (await setup.error())!;
    assert.equal(code, "OutputUploadFailed");
    assert(message.includes("Upload not finished within 5 s"), message);
    assert(!("out/outputs.pb" in await objectsIn(setup.store)));
    assert.equal(clock.waiting, 0, "no timer is left");
  });
}

Deno.test("run: retries end before the deadline, so that error.pb says what was wrong", async () => {
  const clock = new HastyClock();
  using setup = await setUp({}, { system: { clock, random: () => 0.5 } });
  setup.store.get = () => Promise.reject(storeError("unavailable", { message: "Cannot read: status 503" }));
  await setup.run(downloadCommand(setup.dir.path, { timeoutMs: 3000 }));
  const { message } = (await setup.error())!;
  assert(message.includes("status 503") && message.includes("no time left"), message);
  assert(Number(setup.log.events.find(({ level }) => level === "error")!.fields.retries) > 1);
});

Deno.test("run: an error.pb that cannot be written within its own time is status 1", async () => {
  const clock = new FakeClock();
  using setup = await setUp({}, { system: { clock } });
  setup.store.put = (_key, _source, options) => unanswered(options);
  const status = setup.run(sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT }));
  await clock.advance(60_000);
  assert.equal(await status, 1);
  assert.equal(clock.waiting, 0);
});

Deno.test("run: a run that is cancelled is status 1 and tells nothing: it can only be started again", async () => {
  const controller = new AbortController();
  using setup = await setUp({ "in/inputs.pb": INPUTS, f: "F" });
  const get = setup.store.get.bind(setup.store);
  setup.store.get = (key, options) => {
    if (key === "f") controller.abort(new CopilotError("aborted", "Ended by a signal"));
    return get(key, options);
  };
  assert.equal(await setup.run(downloadCommand(setup.dir.path), { signal: controller.signal }), 1);
  assert.equal(await setup.error(), null);
  assert.deepEqual(setup.dir.tree()["inputs.pb"], undefined);
  using late = await setUp({ "in/inputs.pb": INPUTS, f: "F" });
  assert.equal(await late.run(downloadCommand(late.dir.path), { signal: controller.signal }), 1);
  assert.deepEqual(late.dir.tree(), {});
});

Deno.test("run: places that the run may not reach are told by error.pb", async () => {
  using setup = await setUp({ "in/inputs.pb": INPUTS });
  const allow = () => Promise.reject(cannot("read", { denied: "not from here" }));
  await setup.run(downloadCommand(setup.dir.path), { allow });
  assert((await setup.error())!.message.includes("not from here"));
});

Deno.test("run: retries and throttling are counted and slow the run down", async () => {
  using setup = await setUp({ "in/inputs.pb": INPUTS, f: "F" }, { system: { clock: new HastyClock() } });
  const get = setup.store.get.bind(setup.store);
  let faults = 3;
  setup.store.get = (key, options) =>
    key === "f" && faults-- > 0 ? Promise.reject(storeError("throttled")) : get(key, options);
  assert.equal(await setup.run(downloadCommand(setup.dir.path)), 0);
  assert.equal(setup.log.events.find(({ level }) => level === "summary")!.fields.retries, 3);
});

for (const allowLinkLocal of [false, true]) {
  Deno.test(`run: inputs at a link-local address are ${allowLinkLocal ? "asked for with" : "not asked for without"} --allow-link-local`, async () => {
    const dialled: string[] = [];
    const network = {
      ...sys.network,
      connect(hostname: string): Promise<never> {
        dialled.push(hostname);
        return Promise.reject(storeError("denied", { message: "No network here" }));
      },
    };
    using setup = await setUp({}, { system: { network } });
    await setup.run(
      downloadCommand(setup.dir.path, { from: "http://169.254.1.2/inputs.pb", allowLinkLocal }),
    );
    assert.deepEqual(dialled, allowLinkLocal ? ["169.254.1.2"] : []);
    const { message } = (await setup.error())!;
    assert(message.includes(allowLinkLocal ? "No network here" : "--allow-link-local"), message);
  });
}

// ---------------------------------------------------------------- failures from outside

const FOREIGN: RunFailure = { code: "MainFailed", message: "OOMKilled" };

Deno.test("tell: a failure that was seen before the run is told as it is", async () => {
  using setup = await setUp();
  const command = sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT });
  assert.equal(
    await reportFailure({ ...FOREIGN, kind: ErrorKind.NON_RECOVERABLE }, command, setup.context()),
    0,
  );
  const { code, message, kind, origin } = (await setup.error())!;
  assert.deepEqual({ code, message, kind, origin }, {
    code: "MainFailed",
    message: "OOMKilled",
    kind: ErrorKind.NON_RECOVERABLE,
    origin: ErrorOrigin.SYSTEM,
  });
});

Deno.test("tell: the task's own error wins", async () => {
  using setup = await setUp();
  setup.dir.write("_ERROR", "it broke");
  await reportFailure(FOREIGN, sidecarCommand(setup.dir.path), setup.context());
  assert.equal((await setup.error())!.message, "User Error: it broke");
});

Deno.test("tell: nothing is told where the outputs are there, if so asked", async () => {
  using setup = await setUp({ "out/outputs.pb": "" });
  const command = sidecarCommand(setup.dir.path, { exitOnError: true });
  assert.equal(await reportFailure({ ...FOREIGN, skipIfOutputsExist: true }, command, setup.context()), 0);
  assert.equal(await setup.error(), null);
  assert.equal(await reportFailure(FOREIGN, command, setup.context()), 1);
  assert.equal((await setup.error())?.code, "MainFailed");
});

Deno.test("run: an upload that is about to be killed has an error.pb out, and takes it back when it makes it", async () => {
  const killImminent = new AbortController();
  using setup = await setUp();
  setup.dir.write("f", "F");
  const put = setup.store.put.bind(setup.store);
  const seen: (string | undefined)[] = [];
  setup.store.put = async (key, source, options) => {
    if (key === "raw/f") {
      killImminent.abort();
      for (let i = 0; i < 20; i++) await settle();
      seen.push((await setup.error())?.message);
    }
    return await put(key, source, options);
  };
  const command = sidecarCommand(setup.dir.path, { interface: FILE_OUTPUT });
  assert.equal(await setup.run(command, { killImminent: killImminent.signal }), 0);
  assert(seen[0]?.includes("cut off"), String(seen));
  assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["out/outputs.pb", "raw/f"]);
});

Deno.test("run: an error of the program itself reaches error.pb", async () => {
  using setup = await setUp({ "in/inputs.pb": INPUTS });
  setup.store.get = () => Promise.reject(new TypeError("undefined is not a function"));
  await setup.run(downloadCommand(setup.dir.path));
  const error = (await setup.error())!;
  assert(error.message.includes("undefined is not a function"));
  const line = setup.log.events.find(({ level }) => level === "error");
  assert.equal(line?.fields?.code, "internal");
});

// ---------------------------------------------------------------- UPLOAD_EAGER

Deno.test("run: an eager upload waits for main's end, however long, and its time begins there", async () => {
  const clock = new FakeClock();
  using setup = await setUp({}, { system: { clock } });
  setup.dir.write("f", "F");
  const ended = Promise.withResolvers<RunFailure | null>();
  const command = sidecarCommand(setup.dir.path, {
    mode: "UPLOAD_EAGER",
    interface: FILE_OUTPUT,
    timeoutMs: 5000,
  });
  const status = setup.run(command, { ended: ended.promise });
  await clock.advance(60_000);
  assert.deepEqual(await objectsIn(setup.store), {});
  setup.dir.write("f", "final");
  ended.resolve(null);
  await clock.advance(1000);
  assert.equal(await status, 0);
  assert.equal((await objectsIn(setup.store))["raw/f"], "final");
  assert("out/outputs.pb" in await objectsIn(setup.store));
  assert.equal(clock.waiting, 0, "no timer is left");
});

Deno.test("run: an eager upload of a main that ended badly tells that, without outputs.pb", async () => {
  const clock = new FakeClock();
  using setup = await setUp({}, { system: { clock } });
  setup.dir.write("f", "F");
  const command = sidecarCommand(setup.dir.path, { mode: "UPLOAD_EAGER", interface: FILE_OUTPUT });
  const status = setup.run(command, { ended: Promise.resolve(FOREIGN) });
  await clock.advance(10_000);
  assert.equal(await status, 0);
  assert.equal((await setup.error())?.code, "MainFailed");
  assert(!("out/outputs.pb" in await objectsIn(setup.store)));
});

Deno.test("run: an eager upload with an interface that cannot be read waits for main, whose _ERROR wins", async () => {
  const clock = new FakeClock();
  using setup = await setUp({}, { system: { clock } });
  const ended = Promise.withResolvers<RunFailure | null>();
  const command = sidecarCommand(setup.dir.path, { mode: "UPLOAD_EAGER", interface: Uint8Array.of(0xff) });
  const status = setup.run(command, { ended: ended.promise });
  await clock.advance(10_000);
  assert.equal(await setup.error(), null);
  setup.dir.write("_ERROR", "it broke");
  ended.resolve(null);
  await clock.advance(10_000);
  await status;
  assert.equal((await setup.error())?.message, "User Error: it broke");
});

/** Whether outputs.pb is there. */
function hasOutputs({ store }: Setup): Promise<boolean> {
  return pristine(store).head("out/outputs.pb", { signal }).then(() => true, () => false);
}

Deno.test("tell: a known failure withdraws what an earlier try has declared to be the outputs", async () => {
  using setup = await setUp();
  const command = sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT });
  setup.dir.write("n", "1");
  assert.equal(await setup.run(command), 0);
  assert(await hasOutputs(setup));
  assert.equal(await reportFailure(FOREIGN, command, setup.context()), 0);
  assert.equal((await setup.error())?.code, "MainFailed");
  assert(!await hasOutputs(setup));
});

Deno.test("a failed upload withdraws an earlier try's outputs, and only a finished one says that it is", async () => {
  using setup = await setUp();
  let uploads = 0;
  const change = { uploaded: () => void uploads++ };
  const command = sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT });
  setup.dir.write("n", "1");
  assert.equal(await setup.run(command, change), 0);
  assert.equal(uploads, 1);
  Deno.removeSync(`${setup.dir.path}/n`);
  assert.equal(await setup.run(command, change), 0);
  assert.equal(uploads, 1);
  assert.notEqual(await setup.error(), null);
  assert(!await hasOutputs(setup));
});

Deno.test("tell: outputs that cannot be withdrawn are logged, and the failure is told all the same", async () => {
  using setup = await setUp({ "out/outputs.pb": "" });
  setup.store.delete = () => Promise.reject(new CopilotError("denied", "Cannot delete: refused"));
  const command = sidecarCommand(setup.dir.path, { interface: ONE_OUTPUT });
  assert.equal(await reportFailure(FOREIGN, command, setup.context()), 0);
  assert.equal((await setup.error())?.code, "MainFailed");
});

Deno.test("run: what main has deleted since it went up early is gone from the store before outputs.pb is there", async () => {
  const clock = new FakeClock();
  using setup = await setUp({}, { system: { clock } });
  setup.dir.write("f/keep", "K");
  setup.dir.write("f/gone", "G");
  // Long left alone, by a clock that begins at 0.
  for (const name of ["f/keep", "f/gone"]) Deno.utimeSync(setup.dir.at(name), 0, -60);
  const { delete: remove } = setup.store;
  let outputsAtRemoval: boolean | undefined;
  setup.store.delete = async (key, options) => {
    await Promise.resolve();
    await remove.call(setup.store, key, options);
    if (key === "raw/f/gone") outputsAtRemoval = "out/outputs.pb" in await objectsIn(setup.store);
  };
  const ended = Promise.withResolvers<RunFailure | null>();
  const command = sidecarCommand(setup.dir.path, { mode: "UPLOAD_EAGER", interface: DIRECTORY_OUTPUT });
  const status = setup.run(command, { ended: ended.promise });
  for (let second = 0; second < 10; second++) await clock.advance(1000);
  assert("raw/f/gone" in await objectsIn(setup.store), "it went up while main ran");
  Deno.removeSync(setup.dir.at("f/gone"));
  ended.resolve(null);
  await clock.advance(10_000);
  assert.equal(await status, 0);
  assert.equal(outputsAtRemoval, false);
  assert.deepEqual(Object.keys(await objectsIn(setup.store)), ["out/outputs.pb", "raw/f/keep"]);
});
