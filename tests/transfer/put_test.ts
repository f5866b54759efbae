import { assertProgress } from "../support/progress.ts";
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import type {
  ByteSource,
  MultipartUpload,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreTraits,
} from "../../src/storage/store.ts";
import type { TransferSession } from "../../src/transfer/session.ts";
import { partBytesFor, putFile } from "../../src/transfer/put.ts";
import { sys } from "../../src/system/deno.ts";
import type { LocalFile } from "../../src/transfer/put.ts";
import type { System } from "../../src/system/mod.ts";
import { type Call, type Fault, FlakyStore, script, storeError } from "../support/fakes.ts";
import {
  assertSame,
  bytesOf,
  MIB,
  openBelow,
  randomBytes,
  sessionOn,
  signal,
  type TemporaryDirectory,
  temporaryDirectory,
  TraitStore,
} from "../support/flows.ts";
import { BUFFER } from "../support/transfer.ts";

/** A file that is opened where it is. */
function localFile(path: string, { files }: Pick<System, "files"> = sys): LocalFile {
  return { path, open: () => files.openRead(path) };
}

interface PutSetup extends Disposable {
  dir: TemporaryDirectory;
  store: MemoryStore;
  flaky: FlakyStore;
  session: TransferSession;
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
  const session = sessionOn(options);
  const outer = options.wrap?.(flaky, dir) ?? flaky;
  return {
    dir,
    store,
    flaky,
    session,
    async put(name) {
      try {
        await putFile(session, outer, name, localFile(dir.at(name), session.system));
      } finally {
        assert.deepEqual(openBelow(dir.path), [], "descriptors are closed");
        assert.equal(session.pool.active, 0);
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
    assertProgress(setup.session, { files: 1, bytes: size });
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
  assert.equal(setup.session.progress.files, 1);
});

Deno.test("put: sixteen parts of a file are under way, and no more, however many slots are idle", async () => {
  const seen = { started: [] as number[], most: 0 };
  const takingNothing = (store: ObjectStore) =>
    overriding(store, {
      async beginUpload(key, options) {
        const upload = await store.beginUpload(key, options);
        return { ...upload, part: () => new Promise((resolve) => setTimeout(resolve, 0)) };
      },
    });
  using setup = putSetup({ wrap: (store) => watchingParts(takingNothing(store), seen) });
  sparse(setup.dir.at("f"), 40 * 16 * MIB);
  await setup.put("f").catch(() => {});
  assert.equal(seen.started.length, 40);
  assert.equal(seen.most, 16);
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
    assert.equal(setup.session.progress.files, 0);
  });
}

Deno.test("put: the upload is aborted also when the run's signal has fired", async () => {
  const controller = new AbortController();
  let abortSignal: AbortSignal | undefined;
  using dir = temporaryDirectory();
  const store = new MemoryStore("mem://b");
  const session = sessionOn({ signal: controller.signal });
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
  await assert.rejects(putFile(session, outer, "f", localFile(dir.at("f"))), codeIs("aborted"));
  assert(abortSignal !== undefined);
});

Deno.test("put: a run that is cancelled while an upload is begun waits for its name and removes it", async () => {
  const controller = new AbortController();
  using dir = temporaryDirectory();
  const store = new MemoryStore("mem://b");
  const session = sessionOn({ signal: controller.signal });
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
  await assert.rejects(putFile(session, outer, "f", localFile(dir.at("f"))), codeIs("aborted"));
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

/** A system where something happens to a file as soon as its first bytes have been read. */
function afterFirstRead(happens: (path: string) => void): System {
  let isRead = false;
  const openRead = (path: string) => {
    const opened = sys.files.openRead(path);
    const read = (into: Uint8Array) => {
      const count = opened.read(into);
      if (!isRead) happens(path);
      isRead = true;
      return count;
    };
    return { ...opened, read };
  };
  return { ...sys, files: { ...sys.files, openRead } };
}

for (const [way, size] of WAYS) {
  for (const [change, change_] of [["grows", size + 1], ["shrinks", size - 1], ["is emptied", 0]] as const) {
    Deno.test(`put: a ${way} file that ${change} while it is read is an error, and nothing is stored`, async () => {
      using dir = temporaryDirectory();
      const system = afterFirstRead((path) => Deno.truncateSync(path, change_));
      const store = new MemoryStore("mem://b");
      sparse(dir.at("f"), size);
      const session = sessionOn({ system });
      await assert.rejects(putFile(session, store, "f", localFile(dir.at("f"), system)), codeIs("changed"));
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
    const system = afterFirstRead((path) => Deno.utimeSync(path, 2, 2));
    const store = new MemoryStore("mem://b");
    await assert.rejects(
      putFile(sessionOn({ system }), store, "f", localFile(dir.at("f"), system)),
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

/** A store whose every request breaks halfway once, and is sent again. */
class HalfTwice extends MemoryStore {
  /** Bytes that the session has counted after each half. */
  readonly counted: number[] = [];
  session: TransferSession | undefined;

  override async put(key: string, source: ByteSource, options: PutOptions): Promise<ObjectInfo> {
    const broken = source.open();
    const buffer = new Uint8Array(source.size / 2);
    for (let read = 0; read < buffer.length;) read += (await broken.read(buffer.subarray(read)))!;
    broken.close();
    this.counted.push(this.session!.progress.bytes);
    return await super.put(key, source, options);
  }
}

Deno.test("put: bytes are counted as they are sent, those of a broken try once", async () => {
  const store = new HalfTwice("mem://b");
  using setup = putSetup({ store });
  store.session = setup.session;
  sparse(setup.dir.at("f"), 4 * MIB);
  await setup.put("f");
  assert.deepEqual(store.counted, [2 * MIB]);
  assertProgress(setup.session, { files: 1, bytes: 4 * MIB });
});
