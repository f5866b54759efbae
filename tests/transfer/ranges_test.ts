import { assertProgress } from "../support/progress.ts";
import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { CopilotError } from "../../src/errors.ts";
import {
  bytesSource,
  type CallOptions,
  type ChecksumName,
  type GetOptions,
  type GetResult,
  type ObjectInfo,
} from "../../src/storage/store.ts";
import { getFile } from "../../src/transfer/get.ts";
import { rangeBytesFor } from "../../src/transfer/ranges.ts";
import { Staging } from "../../src/transfer/staging.ts";
import { sys } from "../../src/system/deno.ts";
import { type Call, FakeClock, type Fault, storeError } from "../support/fakes.ts";
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
    assertProgress(setup.session, { files: 1, bytes: LARGE.length });
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

/** Fetches an object while every piece of its front takes `msPerMib`. @returns the most bodies that were open at once */
async function streamsAt(msPerMib: number): Promise<number> {
  const clock = new FakeClock();
  let most = 0;
  const slow = (got: GetResult): GetResult => {
    const read = async (into: Uint8Array) => {
      const count = await got.body.read(into);
      most = Math.max(most, setup.flaky.openBodies);
      await clock.advance((count ?? 0) / MIB * msPerMib);
      return count;
    };
    return { ...got, body: { ...got.body, read } };
  };
  using setup = await getSetup({ k: randomBytes(64 * MIB) }, {
    store: rangeStore(),
    system: { ...sys, clock },
    faultOf: () => ({ reply: slow }),
  });
  await setup.session.pool.acquire();
  await setup.get();
  setup.session.pool.release();
  setup.assertClean("k");
  return most;
}

Deno.test("get: one helper is enough on a fast server, and every range gets one on a slow one", async () => {
  assert.equal(await streamsAt(1), 2);
  assert.equal(await streamsAt(10), 7);
});

Deno.test("get: a large object takes one stream where no slot is spare", async () => {
  using setup = await getSetup({ k: LARGE }, { store: rangeStore(), memoryLimitBytes: 0 });
  await setup.session.pool.acquire();
  await setup.session.pool.acquire();
  await setup.get();
  assert.equal(setup.flaky.calls.length, 1);
  setup.session.pool.release();
  setup.session.pool.release();
  setup.assertClean("k");
});

Deno.test("get: a large object among many takes one stream, and its MD5 is taken as the bytes pass", async () => {
  using setup = await getSetup({ k: LARGE }, { store: rangeStore() });
  const others = Array.from({ length: 16 }, () => setup.session.pool.acquire());
  await Promise.all(others);
  await setup.get();
  assert.equal(setup.flaky.calls.length, 1);
  others.forEach(() => setup.session.pool.release());
  setup.assertClean("k");
});

/** Another reply to every range. */
function ranges(reply: (got: GetResult) => GetResult): (call: Call) => Fault | null {
  return (call) => isRange(call) ? { reply } : null;
}

/** A reply with another ETag. */
function tagged(got: GetResult, etag: string | undefined): GetResult {
  const { etag: _, ...info } = got.info;
  return { ...got, info: { ...info, ...(etag !== undefined && { etag }) } };
}

/** A body that ends before its length. */
function shortened(got: GetResult): GetResult {
  let left = 1000;
  const read = async (into: Uint8Array) => {
    const count = left === 0 ? null : await got.body.read(into.subarray(0, left));
    left -= count ?? 0;
    return count;
  };
  return { ...got, body: { ...got.body, read } };
}

for (
  const [what, faultOf] of [
    [
      "refuses a right If-Match",
      (call) => call.get?.ifMatch === undefined ? null : { error: storeError("changed") },
    ],
    ["refuses ranges", (call) => isRange(call) ? { error: storeError("denied") } : null],
    [
      "says a range in a way that nobody understands",
      (call) => isRange(call) ? { error: storeError("unsupported") } : null,
    ],
    ["breaks off ranges", (call) => isRange(call) ? { bodyBytes: MIB, then: storeError("network") } : null],
    ["ends ranges early", (call) => isRange(call) ? { bodyBytes: MIB, then: "end" } : null],
    ["has an ETag for each of its servers", (call) => ({
      reply: (got) => {
        const modified = "Thu, 01 Jan 2026 00:00:00 GMT";
        const { info } = isRange(call) ? tagged(got, '"other"') : got;
        return { ...got, info: { ...info, modified } };
      },
    })],
    ["gives a weak ETag for a range", ranges((got) => tagged(got, 'W/"1"'))],
    ["gives no ETag for a range", ranges((got) => tagged(got, undefined))],
    ["gives shorter ranges", ranges((got) => ({ ...got, length: got.length - 1 }))],
    ["gives ranges whose bodies are shorter", ranges(shortened)],
    ["gives other ranges", ranges((got) => ({ ...got, start: got.start + 1 }))],
    ["gives empty ranges", ranges((got) => ({ ...got, length: 0 }))],
  ] satisfies [string, (call: Call) => Fault | null][]
) {
  Deno.test(`get: a store that ${what} gives its object by one stream`, async () => {
    for (const name of ["crc32", null] as const) {
      using setup = await getSetup({ k: LARGE }, { store: rangeStore(name), faultOf });
      await setup.get();
      assertSame(Deno.readFileSync(setup.dir.at("k")), LARGE);
      assert(setup.flaky.calls.some(isRange), "ranges were tried");
      assertProgress(setup.session, { files: 1, bytes: LARGE.length });
      setup.assertClean("k");
    }
  });
}

Deno.test("get: the last range that fails is still left to the first stream", async () => {
  const met = Promise.withResolvers<void>();
  let front = 0;
  const counted = (got: GetResult): GetResult => {
    const read = async (into: Uint8Array) => {
      const count = await got.body.read(into);
      // The one helper has the last range.
      if ((front += count ?? 0) === 24 * MIB) met.resolve();
      return count;
    };
    return { ...got, body: { ...got.body, read } };
  };
  const failing = (got: GetResult): GetResult => {
    const read = () => met.promise.then(() => Promise.reject(storeError("timeout")));
    return { ...got, body: { ...got.body, read } };
  };
  using setup = await getSetup({ k: LARGE }, {
    store: rangeStore(),
    system: { ...sys, clock: new FakeClock() },
    faultOf: (call) => ({ reply: isRange(call) ? failing : counted }),
  });
  await setup.session.pool.acquire();
  await setup.get();
  setup.session.pool.release();
  assertSame(Deno.readFileSync(setup.dir.at("k")), LARGE);
  assert.equal(setup.flaky.calls.filter(isRange).length, 1);
  assert.equal(setup.session.progress.bytes, LARGE.length);
  setup.assertClean("k");
});

for (const etag of [undefined, 'W/"1"']) {
  Deno.test(`get: without a strong ETag there are no ranges (${etag ?? "no ETag"})`, async () => {
    using setup = await getSetup({ k: LARGE }, {
      store: rangeStore(null),
      faultOf: () => ({ reply: (got) => tagged(got, etag) }),
    });
    await setup.get();
    assert.equal(setup.flaky.calls.length, 1);
    setup.assertClean("k");
  });
}

Deno.test("get: a range with another size is an error that the run fails with at once", async () => {
  using setup = await getSetup({ k: LARGE }, {
    store: rangeStore(null),
    faultOf: ranges((got) => ({ ...got, info: { ...got.info, size: LARGE.length + 1 } })),
  });
  await assert.rejects(setup.get(), codeIs("changed", "mem://b/k", String(LARGE.length + 1)));
  setup.assertClean();
});

/** What HEADs say after a range with the ETag "other": ever the same, or one of several servers', or what means nothing. */
const ETAGS: [what: string, etags: (first: string) => string[], isError: boolean][] = [
  ["an object that bears another ETag from now on has changed", () => ['"other"'], true],
  ["an ETag for each of two servers is no change", (first) => ['"other"', '"other"', first], false],
  ["an ETag of its own for each reply is no change", () => ['"1"', '"2"'], false],
];
for (const [what, etags, isError] of ETAGS) {
  Deno.test(`get: ${what}, where no checksum tells`, async () => {
    let looks = 0;
    class Several extends ChecksumStore {
      override async head(key: string, options: CallOptions): Promise<ObjectInfo> {
        const info = await super.head(key, options);
        const all = etags(info.etag!);
        return { ...info, etag: all[Math.min(looks++, all.length - 1)]! };
      }
    }
    const store = new Several(null, { parallelRanges: true });
    using setup = await getSetup({ k: LARGE }, { store, faultOf: ranges((got) => tagged(got, '"other"')) });
    if (isError) {
      await assert.rejects(setup.get(), codeIs("changed", "mem://b/k", 'has "other" now'));
      return setup.assertClean();
    }
    await setup.get();
    assertSame(Deno.readFileSync(setup.dir.at("k")), LARGE);
    setup.assertClean("k");
  });
}

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
  assertProgress(setup.session, { files: 1, bytes: LARGE.length });
  setup.assertClean("k");
});

Deno.test("get: the front's stream that breaks ends the ranges at once with its error", async () => {
  using setup = await getSetup({ k: randomBytes(64 * MIB) }, {
    store: rangeStore(null),
    faultOf: (call) => isRange(call) ? null : { bodyBytes: MIB, then: storeError("network") },
  });
  await assert.rejects(setup.get(), codeIs("network"));
  assert(setup.session.progress.bytes < 40 * MIB, `${setup.session.progress.bytes} bytes came all the same`);
  setup.assertClean();
});

Deno.test("get: a fault that no stream can mend does not wait for one that stands still, and has the caller's name", async () => {
  using setup = await getSetup({ k: LARGE }, {
    store: rangeStore(null),
    faultOf(call) {
      if (isRange(call)) return { reply: (got) => ({ ...got, info: { ...got.info, size: 1 } }) };
      return {
        reply: (got) => ({ ...got, body: { ...got.body, read: () => untilAborted(call.get!.signal) } }),
      };
    },
  });
  const staging = new Staging(sys, setup.dir.path);
  const named = (error: unknown) => new CopilotError("changed", `Named: ${error}`);
  await assert.rejects(
    getFile(setup.session, setup.flaky, "k", {
      staging,
      path: setup.dir.at("k"),
      verification: verificationOf("k"),
      named,
    }),
    codeIs("changed"),
  );
  await assert.rejects(setup.session.settle(), codeIs("changed", "Named: "));
  setup.assertClean();
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(storeError("aborted")), { once: true });
  });
}

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
