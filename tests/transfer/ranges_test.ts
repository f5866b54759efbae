import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { CopilotError } from "../../src/errors.ts";
import { bytesSource, type ChecksumName, type GetOptions, type GetResult } from "../../src/storage/store.ts";
import { getFile } from "../../src/transfer/get.ts";
import { rangeBytesFor } from "../../src/transfer/ranges.ts";
import { Staging } from "../../src/transfer/staging.ts";
import { sys } from "../../src/system/deno.ts";
import { type Call, type Fault, storeError } from "../support/fakes.ts";
import { assertSame, MIB, randomBytes, signal, systemWithNewFiles } from "../support/flows.ts";
import { ChecksumStore, getSetup, verificationOf } from "../support/transfer.ts";

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
    getFile(setup.engine, setup.flaky, "k", {
      staging,
      path: setup.dir.at("k"),
      verification: verificationOf("k"),
      named,
    }),
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
