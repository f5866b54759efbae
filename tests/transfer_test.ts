import assert from "assert";
import { CopilotError } from "../src/errors.ts";
import { MemoryStore } from "../src/storage/backends/memory.ts";
import { createHasher } from "../src/storage/checksum.ts";
import {
  bytesSource,
  type ChecksumName,
  type GetOptions,
  type GetResult,
  type MultipartUpload,
  type ObjectStore,
  type StoreTraits,
} from "../src/storage/store.ts";
import { type Engine, slotsFor } from "../src/storage/transfer/engine.ts";
import { getFile } from "../src/storage/transfer/get.ts";
import { partBytesFor, putFile } from "../src/storage/transfer/put.ts";
import { rangeBytesFor } from "../src/storage/transfer/ranges.ts";
import { Staging, STAGING_NAME } from "../src/storage/transfer/staging.ts";
import { sys } from "../src/sys.ts";
import type { LocalFile } from "../src/storage/transfer/put.ts";
import type { System } from "../src/system.ts";
import { type Call, type Fault, FlakyStore, script, settle, storeError } from "./fakes.ts";
import {
  assertSame,
  bytesOf,
  codeIs,
  engineOn,
  MIB,
  openBelow,
  randomBytes,
  signal,
  systemWithNewFiles,
  type TemporaryDirectory,
  temporaryDirectory,
  TraitStore,
} from "./flow_fixtures.ts";

/** A file that is opened where it is. */
function localFile(path: string, { files }: Pick<System, "files"> = sys): LocalFile {
  return { path, open: () => files.openRead(path) };
}

// ---------------------------------------------------------------- engine

Deno.test("engine: settle waits for every task, then throws the first error", async () => {
  const engine = engineOn();
  const slow = Promise.withResolvers<void>();
  let slowEnded = false;
  await engine.start(() => slow.promise.then(() => void (slowEnded = true)));
  await engine.start(() => Promise.reject(storeError("denied")));
  await engine.start(() => Promise.reject(storeError("not-found")));
  let settled = false;
  const end = engine.settle().finally(() => settled = true);
  await settle();
  assert.equal(settled, false);
  assert.equal(engine.signal.aborted, true, "the other tasks are told");
  slow.resolve();
  await assert.rejects(end, codeIs("denied"));
  assert.equal(slowEnded, true);
  assert.equal(engine.pool.active, 0);
  await assert.rejects(engine.start(() => Promise.resolve()), codeIs("denied"));
});

Deno.test("engine: start waits while all slots are taken, so that tasks are not made ahead", async () => {
  const engine = engineOn({ memoryLimitBytes: 0 });
  const ends = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let started = 0;
  const all = (async () => {
    for (const { promise } of ends) {
      await engine.start(() => promise);
      started++;
    }
  })();
  await settle();
  assert.equal(started, 2);
  assert.equal(engine.startSpare(() => Promise.resolve()), null);
  ends[0]!.resolve();
  await all;
  for (const { resolve } of ends) resolve();
  await engine.settle();
  assert.equal(engine.pool.active, 0);
});

Deno.test("engine: the run's signal fails it with the signal's reason, also when it has fired before", async () => {
  const controller = new AbortController();
  const engine = engineOn({ signal: controller.signal });
  controller.abort(new CopilotError("deadline", "Over"));
  await assert.rejects(engine.settle(), codeIs("deadline", "Over"));
  const late = engineOn({ signal: controller.signal });
  assert.equal(late.signal.aborted, true);
  await assert.rejects(late.settle(), codeIs("deadline", "Over"));
});

Deno.test("engine: what was failing when the deadline struck says more than that it struck; what is cancelled by it does not", () => {
  const over = new CopilotError("deadline", "Over");
  const cause = new CopilotError(
    "unavailable",
    "Cannot read x after 3 attempts, with no time left for another",
  );
  const cancelled = new CopilotError("aborted", "Cancelled");
  const cases: [unknown[], unknown][] = [
    [[over, cancelled, cause, new CopilotError("denied", "later")], cause],
    [[over, cancelled], over],
    [[cause, over], cause],
  ];
  for (const [errors, wanted] of cases) {
    const engine = engineOn();
    for (const error of errors) engine.fail(error);
    assert.equal(engine.failure, wanted);
    assert.equal(engine.signal.reason, errors[0]);
  }
});

Deno.test("engine: slots fit the memory, within bounds", () => {
  assert.equal(slotsFor(0), 2);
  assert.equal(slotsFor(64 * MIB), 2);
  assert.equal(slotsFor(1024 * MIB), 112);
  const usual = slotsFor(128 * MIB);
  assert(usual > 16 && usual <= 112, String(usual));
});

// ---------------------------------------------------------------- get

/** A store whose objects have the checksum that a test wants. */
class ChecksumStore extends TraitStore {
  readonly #name: ChecksumName | null;

  constructor(name: ChecksumName | null, traits: Partial<StoreTraits> = {}) {
    super("mem://b", traits);
    this.#name = name;
  }

  override async get(key: string, options: GetOptions): Promise<GetResult> {
    const got = await super.get(key, options);
    const { checksum: _, ...info } = got.info;
    if (this.#name === null) return { ...got, info };
    const whole = await super.get(key, { signal });
    const hasher = await createHasher(this.#name);
    const buffer = new Uint8Array(MIB);
    for (let count; (count = await whole.body.read(buffer)) !== null;) {
      hasher.update(buffer.subarray(0, count));
    }
    return { ...got, info: { ...info, checksum: { name: this.#name, hex: hasher.hex() } } };
  }
}

interface GetSetup extends Disposable {
  dir: TemporaryDirectory;
  flaky: FlakyStore;
  engine: Engine;
  get(key?: string): Promise<void>;
  /** Asserts that nothing is open and nothing is left but `names` in the directory. */
  assertClean(...names: string[]): void;
}

async function getSetup(
  objects: Record<string, Uint8Array>,
  options: {
    store?: MemoryStore;
    faultOf?: (call: Call) => Fault | null;
    system?: System;
    memoryLimitBytes?: number;
  } = {},
): Promise<GetSetup> {
  const dir = temporaryDirectory();
  const store = options.store ?? new MemoryStore("mem://b");
  for (const [key, bytes] of Object.entries(objects)) await store.put(key, bytesSource(bytes), { signal });
  const flaky = new FlakyStore(store, options.faultOf ?? (() => null));
  const engine = engineOn(options);
  const staging = new Staging(engine.system.files, dir.path);
  return {
    dir,
    flaky,
    engine,
    get: (key = "k") => getFile(engine, flaky, key, { staging, path: dir.at(key) }),
    assertClean(...names) {
      assert.equal(flaky.openBodies, 0, "bodies are closed");
      assert.deepEqual(openBelow(dir.path), [], "descriptors are closed");
      const expected = [STAGING_NAME, ...names];
      const found = [...Deno.readDirSync(dir.path)].map(({ name }) => name);
      assert.deepEqual(found.filter((name) => !expected.includes(name)), []);
      for (const name of names) assert(found.includes(name), `${name} is there`);
      const unfinished = found.includes(STAGING_NAME) ? [...Deno.readDirSync(dir.at(STAGING_NAME))] : [];
      assert.deepEqual(unfinished, [], "no unfinished files");
      assert.equal(engine.pool.active, 0);
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

const BUFFER = 256 * 1024;

for (const size of [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 7]) {
  Deno.test(`get: an object of ${size} bytes arrives as it is, in one request`, async () => {
    const bytes = randomBytes(size);
    using setup = await getSetup({ k: bytes });
    await setup.get();
    assert.deepEqual(Deno.readFileSync(setup.dir.at("k")), bytes);
    assert.equal(setup.flaky.calls.length, 1);
    assert.deepEqual(setup.engine.progress, { files: 1, bytes: size, retries: 0 });
    setup.assertClean("k");
  });
}

for (const name of ["crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5"] as const) {
  Deno.test(`get: the store's ${name} is verified`, async () => {
    const bytes = randomBytes(BUFFER + 100);
    const wrong = (got: GetResult) => ({
      ...got,
      info: {
        ...got.info,
        checksum: { name, hex: got.info.checksum!.hex.replace(/^./, (c) => c === "0" ? "1" : "0") },
      },
    });
    using setup = await getSetup({ k: bytes }, {
      store: new ChecksumStore(name),
      faultOf: script({ get: [null, { reply: wrong }] }),
    });
    await setup.get();
    assert.deepEqual(Deno.readFileSync(setup.dir.at("k")), bytes);
    Deno.removeSync(setup.dir.at("k"));
    await assert.rejects(setup.get(), codeIs("integrity", "mem://b/k", name));
    setup.assertClean();
  });
}

Deno.test("get: a store without checksums is no failure", async () => {
  using setup = await getSetup({ k: randomBytes(10) }, { store: new ChecksumStore(null) });
  await setup.get();
  setup.assertClean("k");
});

Deno.test("get: a body that ends early is an error, and the old file stays", async () => {
  using setup = await getSetup({ k: randomBytes(1000) }, {
    faultOf: script({ get: [{ bodyBytes: 999, then: "end" }] }),
  });
  setup.dir.write("k", "old");
  await assert.rejects(setup.get(), codeIs("integrity", "mem://b/k", "999", "1000"));
  assert.equal(Deno.readTextFileSync(setup.dir.at("k")), "old");
  setup.assertClean("k");
});

Deno.test("get: a body that breaks is the store's error", async () => {
  using setup = await getSetup({ k: randomBytes(1000) }, {
    faultOf: script({ get: [{ bodyBytes: 500, then: storeError("network") }] }),
  });
  await assert.rejects(setup.get(), codeIs("network"));
  setup.assertClean();
});

Deno.test("get: a disk that is full is an error that names the file, and leaves nothing", async () => {
  const system = systemWithNewFiles((_, path) => ({
    write() {
      throw new CopilotError("disk-full", `Cannot write "${path}": no space left on device`);
    },
  }));
  using setup = await getSetup({ k: randomBytes(1000) }, { system });
  await assert.rejects(setup.get(), codeIs("disk-full", setup.dir.path));
  setup.assertClean();
});

Deno.test("get: buffers are used again", async () => {
  using setup = await getSetup({ k: randomBytes(1000) });
  const taken = new Set<Uint8Array>();
  const take = setup.engine.buffers.take.bind(setup.engine.buffers);
  setup.engine.buffers.take = () => {
    const buffer = take();
    taken.add(buffer);
    return buffer;
  };
  for (let i = 0; i < 10; i++) await setup.get();
  assert.equal(taken.size, 1);
});

// ---------------------------------------------------------------- get, in ranges

/** Three ranges of 8 MiB and one of 7 bytes. */
const LARGE = randomBytes(24 * MIB + 7);

function rangeStore(name: ChecksumName | null = "crc32"): ChecksumStore {
  return new ChecksumStore(name, { parallelRanges: true });
}

/** Waits for the front's stream, so that helpers come to their turn. */
function isRange(call: Call): boolean {
  return call.method === "get" && call.get?.start !== undefined;
}

Deno.test("get: ranges are as large as 128 of them make the object, within bounds", () => {
  for (
    const [sizeMib, rangeMib] of [[1, 8], [1024, 8], [1025, 9], [4096, 32], [8192, 64], [
      1_000_000,
      64,
    ]] as const
  ) assert.equal(rangeBytesFor(sizeMib * MIB), rangeMib * MIB, `${sizeMib} MiB`);
});

for (const name of ["crc32", "crc32c", "crc64nvme", "md5", "sha256", null] as const) {
  Deno.test(`get: a large object comes in ranges and arrives as it is (${name ?? "no checksum"})`, async () => {
    using setup = await getSetup({ k: LARGE }, { store: rangeStore(name) });
    await setup.get();
    assertSame(Deno.readFileSync(setup.dir.at("k")), LARGE);
    const ranges = setup.flaky.calls.filter(isRange).map(({ get }) => [get!.start, get!.end, get!.ifMatch]);
    assert(ranges.length > 0, "spare slots have helped");
    for (const [start, end, ifMatch] of ranges) {
      assert.equal(Number(start) % (8 * MIB), 0);
      assert.equal(end, Math.min(Number(start) + 8 * MIB, LARGE.length));
      assert.equal(ifMatch, '"1"');
    }
    assert.deepEqual(setup.engine.progress, { files: 1, bytes: LARGE.length, retries: 0 });
    setup.assertClean("k");
  });

  if (name === null) continue;
  Deno.test(`get: the ${name} of an object that came in ranges is verified`, async () => {
    const store = rangeStore(name);
    using setup = await getSetup({ k: LARGE }, {
      store,
      // One bit of one range is another one.
      faultOf: (call) =>
        isRange(call)
          ? { reply: (got) => ({ ...got, body: { ...got.body, read: (into) => flipped(got, into) } }) }
          : null,
    });
    await assert.rejects(setup.get(), codeIs("integrity", "mem://b/k", name));
    setup.assertClean();
  });
}

async function flipped(got: GetResult, into: Uint8Array): Promise<number | null> {
  const count = await got.body.read(into);
  if (count !== null) into[0]! ^= 1;
  return count;
}

Deno.test("get: a large object takes one stream where no slot is spare", async () => {
  using setup = await getSetup({ k: LARGE }, { store: rangeStore(), memoryLimitBytes: 0 });
  await setup.engine.pool.acquire();
  await setup.engine.pool.acquire();
  await setup.get();
  assert.equal(setup.flaky.calls.length, 1);
  setup.engine.pool.release();
  setup.engine.pool.release();
  setup.assertClean("k");
});

Deno.test("get: an object that changed between ranges is an error, never a mix", async () => {
  const store = rangeStore();
  let replaced = false;
  using setup = await getSetup({ k: LARGE }, {
    store,
    faultOf: (call) => isRange(call) && !replaced ? { error: storeError("changed") } : null,
  });
  await assert.rejects(setup.get(), codeIs("changed"));
  replaced = true;
  setup.assertClean();
});

Deno.test("get: a range of another size of the object is an error, where the store has no ETags", async () => {
  const withoutEtag = (got: GetResult, size: number) => {
    const { etag: _, ...info } = got.info;
    return { ...got, info: { ...info, size } };
  };
  using setup = await getSetup({ k: LARGE }, {
    store: rangeStore(null),
    faultOf: (call) => ({ reply: (got) => withoutEtag(got, LARGE.length + (isRange(call) ? 1 : 0)) }),
  });
  await assert.rejects(setup.get(), codeIs("changed", "mem://b/k"));
  assert(setup.flaky.calls.filter(isRange).every(({ get }) => get!.ifMatch === undefined));
  setup.assertClean();
});

Deno.test("get: a weak ETag is compared, not sent, since If-Match never matches one", async () => {
  let etag = 'W/"1"';
  const weak = (got: GetResult) => ({ ...got, info: { ...got.info, etag } });
  const faultOf = (call: Call): Fault => {
    if (call.get?.ifMatch !== undefined) return { error: storeError("changed") };
    return { reply: weak };
  };
  using setup = await getSetup({ k: LARGE }, { store: rangeStore(), faultOf });
  await setup.get();
  assert(setup.flaky.calls.some(isRange));
  setup.assertClean("k");
  Deno.removeSync(setup.dir.at("k"));
  using other = await getSetup({ k: LARGE }, {
    store: rangeStore(),
    faultOf(call) {
      etag = isRange(call) ? 'W/"2"' : 'W/"1"';
      return faultOf(call);
    },
  });
  await assert.rejects(other.get(), codeIs("changed", "mem://b/k"));
  other.assertClean();
});

Deno.test("get: a store that ignores ranges gives its object by one stream", async () => {
  const store = rangeStore();
  class Deaf extends ChecksumStore {
    override get(key: string, { signal }: GetOptions): Promise<GetResult> {
      return store.get(key, { signal });
    }
  }
  await store.put("k", bytesSource(LARGE), { signal });
  using setup = await getSetup({}, { store: new Deaf(null, { parallelRanges: true }) });
  await setup.get();
  assertSame(Deno.readFileSync(setup.dir.at("k")), LARGE);
  assert.deepEqual(setup.engine.progress, { files: 1, bytes: LARGE.length, retries: 0 });
  setup.assertClean("k");
});

for (
  const [what, code, fault] of [
    ["breaks", "network", { bodyBytes: MIB, then: storeError("network") }],
    ["ends early", "integrity", { bodyBytes: MIB, then: "end" }],
    ["is refused", "denied", { error: storeError("denied") }],
  ] as const
) {
  Deno.test(`get: a range that ${what} ends the others at once with its error`, async () => {
    let ranges = 0;
    using setup = await getSetup({ k: randomBytes(64 * MIB) }, {
      store: rangeStore(null),
      faultOf: (call) => isRange(call) && ranges++ === 1 ? fault : null,
    });
    await assert.rejects(setup.get(), codeIs(code));
    assert(setup.engine.progress.bytes < 40 * MIB, `${setup.engine.progress.bytes} bytes came all the same`);
    setup.assertClean();
  });
}

Deno.test("get: the front's stream that breaks ends the ranges at once with its error", async () => {
  using setup = await getSetup({ k: randomBytes(64 * MIB) }, {
    store: rangeStore(null),
    faultOf: (call) => isRange(call) ? null : { bodyBytes: MIB, then: storeError("network") },
  });
  await assert.rejects(setup.get(), codeIs("network"));
  assert(setup.engine.progress.bytes < 40 * MIB, `${setup.engine.progress.bytes} bytes came all the same`);
  setup.assertClean();
});

Deno.test("get: a failed range does not wait for a stream that stands still", async () => {
  using setup = await getSetup({ k: LARGE }, {
    store: rangeStore(null),
    faultOf(call) {
      if (isRange(call)) return { error: storeError("denied") };
      return {
        reply: (got) => ({ ...got, body: { ...got.body, read: () => untilAborted(call.get!.signal) } }),
      };
    },
  });
  await assert.rejects(setup.get(), codeIs("denied"));
  setup.assertClean();
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(storeError("aborted")), { once: true });
  });
}

Deno.test("get: what fails in a range fails the run with the name that the caller gives it", async () => {
  using setup = await getSetup({ k: LARGE }, {
    store: rangeStore(null),
    faultOf: (call) => isRange(call) ? { error: storeError("denied") } : null,
  });
  const staging = new Staging(sys.files, setup.dir.path);
  const named = (error: unknown) => new CopilotError("denied", `Named: ${error}`);
  await assert.rejects(
    getFile(setup.engine, setup.flaky, "k", { staging, path: setup.dir.at("k"), named }),
    codeIs("denied"),
  );
  await assert.rejects(setup.engine.settle(), codeIs("denied", "Named: "));
});

Deno.test("get: a full disk in ranges leaves nothing", async () => {
  let written = 0;
  const system = systemWithNewFiles((file) => ({
    write(bytes) {
      written += bytes.length;
      if (written > 10 * MIB) throw new CopilotError("disk-full", "No space");
      file.write(bytes);
    },
  }));
  using setup = await getSetup({ k: LARGE }, { store: rangeStore(), system });
  await assert.rejects(setup.get(), codeIs("disk-full"));
  setup.assertClean();
});

// ---------------------------------------------------------------- put

interface PutSetup extends Disposable {
  dir: TemporaryDirectory;
  store: MemoryStore;
  flaky: FlakyStore;
  engine: Engine;
  put(name: string): Promise<void>;
}

function putSetup(
  options: {
    store?: MemoryStore;
    faultOf?: (call: Call) => Fault | null;
    memoryLimitBytes?: number;
    wrap?: (store: ObjectStore, dir: TemporaryDirectory) => ObjectStore;
  } = {},
): PutSetup {
  const dir = temporaryDirectory();
  const store = options.store ?? new MemoryStore("mem://b");
  const flaky = new FlakyStore(store, options.faultOf ?? (() => null));
  const engine = engineOn(options);
  const outer = options.wrap?.(flaky, dir) ?? flaky;
  return {
    dir,
    store,
    flaky,
    engine,
    async put(name) {
      try {
        await putFile(engine, outer, name, localFile(dir.at(name), engine.system));
      } finally {
        assert.deepEqual(openBelow(dir.path), [], "descriptors are closed");
        assert.equal(engine.pool.active, 0);
      }
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** Makes a file of so many bytes, most of them holes. */
function sparse(path: string, size: number): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.writeSync(randomBytes(1000));
  file.truncateSync(size);
}

for (const size of [0, 1, BUFFER, BUFFER + 1, MIB, 32 * MIB]) {
  Deno.test(`put: a file of ${size} bytes goes up in one request`, async () => {
    using setup = putSetup();
    const bytes = randomBytes(size);
    setup.dir.write("f", bytes);
    await setup.put("f");
    assertSame(await bytesOf(setup.store, "f"), bytes);
    assert.equal((await setup.store.head("f", { signal })).size, size);
    assert.deepEqual(setup.flaky.calls.map(({ method }) => method), ["put"]);
    assert.deepEqual(setup.engine.progress, { files: 1, bytes: size, retries: 0 });
  });
}

Deno.test("put: a small file's checksum goes with it", async () => {
  let checksum: unknown;
  using setup = putSetup({
    wrap: (store) =>
      overriding(store, {
        put(key, source, options) {
          checksum = options.checksum;
          return store.put(key, source, options);
        },
      }),
  });
  setup.dir.write("f", "123456789");
  await setup.put("f");
  assert.deepEqual(checksum, { name: "crc32", hex: "cbf43926" });
});

/** A store with some calls replaced. */
function overriding(store: ObjectStore, calls: Partial<ObjectStore>): ObjectStore {
  return {
    root: store.root,
    traits: store.traits,
    get: (key, options) => store.get(key, options),
    head: (key, options) => store.head(key, options),
    list: (prefix, options) => store.list(prefix, options),
    put: (key, source, options) => store.put(key, source, options),
    beginUpload: (key, options) => store.beginUpload(key, options),
    delete: (key, options) => store.delete(key, options),
    close: () => store.close(),
    ...calls,
  };
}

/** A store that records the parts under way. */
function watchingParts(store: ObjectStore, seen: { started: number[]; most: number }): ObjectStore {
  let now = 0;
  return overriding(store, {
    async beginUpload(key, options) {
      const upload = await store.beginUpload(key, options);
      return {
        ...upload,
        async part(number, source, options) {
          seen.started.push(number);
          seen.most = Math.max(seen.most, ++now);
          await upload.part(number, source, options);
          now--;
        },
      };
    },
  });
}

Deno.test("put: a large file goes up in parts, several at once, and is whole", async () => {
  const seen = { started: [] as number[], most: 0 };
  using setup = putSetup({ wrap: (store) => watchingParts(store, seen) });
  const bytes = randomBytes(66 * MIB + 3);
  setup.dir.write("f", bytes);
  await setup.put("f");
  assert.deepEqual(seen.started.toSorted(), [1, 2, 3, 4, 5]);
  assert(seen.most > 1, "several at once");
  assert.deepEqual(setup.flaky.calls.map(({ method }) => method).toSorted(), [
    "beginUpload",
    "complete",
    ...Array(5).fill("part"),
  ]);
  assert.equal(setup.flaky.calls.at(-1)!.method, "complete");
  assertSame(await bytesOf(setup.store, "f"), bytes);
  assert.equal(setup.engine.progress.files, 1);
});

Deno.test("put: a store that wants parts in order gets them so, one at a time", async () => {
  const seen = { started: [] as number[], most: 0 };
  using setup = putSetup({
    store: new TraitStore("mem://b", { orderedParts: true }),
    wrap: (store) => watchingParts(store, seen),
  });
  sparse(setup.dir.at("f"), 66 * MIB);
  await setup.put("f");
  assert.deepEqual(seen, { started: [1, 2, 3, 4, 5], most: 1 });
  assert.equal((await setup.store.head("f", { signal })).size, 66 * MIB);
});

Deno.test("put: a file over the store's bound for one request goes up in parts", async () => {
  using setup = putSetup({ store: new TraitStore("mem://b", { maxPutBytes: MIB }) });
  setup.dir.write("f", randomBytes(MIB + 1));
  await setup.put("f");
  assert.deepEqual(setup.flaky.calls.map(({ method }) => method), ["beginUpload", "part", "complete"]);
});

const TRAITS: StoreTraits = new MemoryStore("mem://b").traits;

Deno.test("put: parts fit the store's bounds", () => {
  for (
    const [sizeMib, traits, partMib] of [
      [40, {}, 16],
      [160_000, {}, 16],
      [320_000, {}, 32],
      [5_000_000, {}, 500],
      [40, { minPartBytes: 20 * MIB }, 20],
      [40, { partMultiple: 3 * MIB }, 18],
    ] as const
  ) {
    assert.equal(partBytesFor(sizeMib * MIB, { ...TRAITS, ...traits }), partMib * MIB, `${sizeMib} MiB`);
  }
  assert.throws(
    () => partBytesFor(1001, { ...TRAITS, maxParts: 1, maxPartBytes: 1000 }),
    codeIs("unsupported", "1001", "1000"),
  );
});

for (const method of ["part", "complete"] as const) {
  Deno.test(`put: when ${method} fails the upload is aborted, once`, async () => {
    using setup = putSetup({ faultOf: script({ [method]: [{ error: storeError("denied") }] }) });
    sparse(setup.dir.at("f"), 66 * MIB);
    await assert.rejects(setup.put("f"), codeIs("denied"));
    assert.equal(setup.flaky.count("abort"), 1);
    assert.equal(setup.flaky.calls.at(-1)!.method, "abort", "after every part has ended");
    await assert.rejects(setup.store.head("f", { signal }), codeIs("not-found"));
    assert.equal(setup.engine.progress.files, 0);
  });
}

Deno.test("put: the upload is aborted also when the run's signal has fired", async () => {
  const controller = new AbortController();
  let abortSignal: AbortSignal | undefined;
  using dir = temporaryDirectory();
  const store = new MemoryStore("mem://b");
  const engine = engineOn({ signal: controller.signal });
  const outer = overriding(store, {
    async beginUpload(key, options) {
      const upload = await store.beginUpload(key, options);
      return {
        ...upload,
        part(): Promise<void> {
          controller.abort(new CopilotError("deadline", "Over"));
          return Promise.reject(storeError("aborted"));
        },
        abort(options) {
          abortSignal = options.signal;
          assert.equal(options.signal.aborted, false);
          return upload.abort(options);
        },
      } as MultipartUpload;
    },
  });
  sparse(dir.at("f"), 40 * MIB);
  await assert.rejects(putFile(engine, outer, "f", localFile(dir.at("f"))), codeIs("aborted"));
  assert(abortSignal !== undefined);
});

Deno.test("put: a run that is cancelled while an upload is begun waits for its name and removes it", async () => {
  const controller = new AbortController();
  using dir = temporaryDirectory();
  const store = new MemoryStore("mem://b");
  const engine = engineOn({ signal: controller.signal });
  let aborts = 0;
  const outer = overriding(store, {
    async beginUpload(key, options) {
      controller.abort(new CopilotError("deadline", "Over"));
      await Promise.resolve();
      assert.equal(options.signal.aborted, false, "the reply is still waited for");
      const upload = await store.beginUpload(key, options);
      const abort: MultipartUpload["abort"] = (options) => {
        aborts++;
        return upload.abort(options);
      };
      return { ...upload, part: () => assert.fail("nothing is sent any more"), abort };
    },
  });
  sparse(dir.at("f"), 40 * MIB);
  await assert.rejects(putFile(engine, outer, "f", localFile(dir.at("f"))), codeIs("aborted"));
  assert.equal(aborts, 1);
});

Deno.test("put: an abort that fails does not hide why the upload failed", async () => {
  using setup = putSetup({
    faultOf: script({
      part: [{ error: storeError("denied") }],
      abort: [{ error: storeError("unavailable") }],
    }),
  });
  sparse(setup.dir.at("f"), 40 * MIB);
  await assert.rejects(setup.put("f"), codeIs("denied"));
});

/** Sizes that go up through one buffer, as one stream, and in parts. */
const WAYS = [["small", 1000], ["medium", MIB], ["large", 40 * MIB]] as const;

for (const [way, size] of WAYS) {
  for (const [change, change_] of [["grows", size + 1], ["shrinks", size - 1], ["is emptied", 0]] as const) {
    Deno.test(`put: a ${way} file that ${change} while it is read is an error, and nothing is stored`, async () => {
      using dir = temporaryDirectory();
      let file = "";
      // Truncated as soon as the first bytes have been read.
      const system: System = {
        ...sys,
        files: {
          ...sys.files,
          openRead(path) {
            const opened = sys.files.openRead(path);
            return {
              ...opened,
              read(into) {
                const count = opened.read(into);
                if (file === "") Deno.truncateSync(file = path, change_);
                return count;
              },
            };
          },
        },
      };
      const store = new MemoryStore("mem://b");
      sparse(dir.at("f"), size);
      const engine = engineOn({ system });
      await assert.rejects(putFile(engine, store, "f", localFile(dir.at("f"), system)), codeIs("changed"));
      assert.deepEqual((await store.list("", { signal })).objects, []);
      assert.deepEqual(openBelow(dir.path), []);
    });
  }
}

Deno.test("put: a file whose content changes while it is read is an error, and nothing is stored", async () => {
  for (const [, size] of WAYS) {
    using dir = temporaryDirectory();
    sparse(dir.at("f"), size);
    Deno.utimeSync(dir.at("f"), 1, 1);
    let touched = false;
    const system: System = {
      ...sys,
      files: {
        ...sys.files,
        openRead(path) {
          const opened = sys.files.openRead(path);
          return {
            ...opened,
            read(into) {
              const count = opened.read(into);
              if (!touched) Deno.utimeSync(path, 2, 2);
              touched = true;
              return count;
            },
          };
        },
      },
    };
    const store = new MemoryStore("mem://b");
    await assert.rejects(
      putFile(engineOn({ system }), store, "f", localFile(dir.at("f"), system)),
      codeIs("changed", dir.at("f")),
    );
    assert.deepEqual((await store.list("", { signal })).objects, []);
  }
});

Deno.test("put: a file that is not there or is none is an error that names it", async () => {
  using setup = putSetup();
  await assert.rejects(setup.put("missing"), codeIs("not-found", setup.dir.at("missing")));
  Deno.mkdirSync(setup.dir.at("d"));
  await assert.rejects(setup.put("d"), codeIs("path", setup.dir.at("d")));
  assert.equal(setup.flaky.calls.length, 0);
});
