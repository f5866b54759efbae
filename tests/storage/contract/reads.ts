/**
 * Clauses 2 to 6, 9, 10, 12 to 14: whole objects, ranges, versions, errors, checksums.
 * @module
 */
import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import { type ByteReader, bytesSource, readAll } from "../../../src/storage/store.ts";
import { type Bench, hexOf, lying, observed, pattern, type Step } from "./harness.ts";

/** A reader during a put sees the old object until it is over. */
async function atomicPut(bench: Bench): Promise<void> {
  const [before, after] = [pattern(50_000, 1), pattern(60_000, 2)];
  await bench.put("atomic", before);
  let looks = 0;
  const source = observed(after, async () => {
    looks++;
    assert.deepEqual(await bench.read("atomic"), before, "the old object while a new one is on its way");
  });
  await bench.store.put(bench.key("atomic"), source, { signal: bench.signal });
  assert(looks > 0, "the source was read in steps");
  assert.deepEqual(await bench.read("atomic"), after);
  assert.deepEqual(await bench.keys("atomic"), ["atomic"]);
}

async function putSizes(bench: Bench): Promise<void> {
  for (const size of [0, 1, 255, 65_535, 65_536, 300_001]) {
    const info = await bench.put(`sizes/${size}`, pattern(size));
    assert.equal(info.size, size);
    assert.deepEqual(await bench.read(`sizes/${size}`), pattern(size));
  }
}

async function wrongSource(bench: Bench): Promise<void> {
  await bench.put("source", pattern(100));
  for (const promised of [1, 999, 1001, 300_000]) {
    const source = lying(promised, 1000);
    await bench.fails(
      "changed",
      "source",
      bench.store.put(bench.key("source"), source, { signal: bench.signal }),
    );
    assert.deepEqual(await bench.read("source"), pattern(100));
  }
  const short = lying(9, 5);
  await bench.fails(
    "changed",
    "fresh/x",
    bench.store.put(bench.key("fresh/x"), short, { signal: bench.signal }),
  );
  assert.deepEqual(await bench.keys("fresh"), []);
}

async function missing(bench: Bench): Promise<void> {
  const call = { signal: bench.signal };
  await bench.fails("not-found", "no/such", bench.store.get(bench.key("no/such"), call));
  await bench.fails("not-found", "no/such", bench.store.head(bench.key("no/such"), call));
  assert.deepEqual(await bench.store.list(bench.key("no/"), call), { objects: [] });
  await bench.store.delete(bench.key("no/such"), call);
  await bench.put("gone", pattern(1));
  await bench.store.delete(bench.key("gone"), call);
  await bench.store.delete(bench.key("gone"), call);
  await bench.fails("not-found", "gone", bench.store.get(bench.key("gone"), call));
}

async function ranges(bench: Bench): Promise<void> {
  const bytes = pattern(1000);
  await bench.put("ranges", bytes);
  const cases: [start: number | undefined, end: number | undefined][] = [
    [undefined, undefined],
    [0, 1],
    [0, 1000],
    [0, 5000],
    [1, undefined],
    [500, 501],
    [999, undefined],
    [999, 1000],
    [990, 2000],
    [undefined, 10],
    [1000, undefined],
    [1000, 1001],
    [5000, undefined],
    [5000, 6000],
    [10, 10],
    [0, 0],
  ];
  for (const [start, end] of cases) {
    const range = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
    const got = await bench.store.get(bench.key("ranges"), { signal: bench.signal, ...range });
    const body = await readAll(got.body, 1e6, () => new Error("too large"));
    const what = `bytes ${start} to ${end}`;
    const wanted = bytes.subarray(start ?? 0, end ?? bytes.length);
    assert.equal(got.info.size, 1000, what);
    assert.equal(got.length, wanted.length, what);
    assert.deepEqual(body, wanted, what);
    if (wanted.length > 0) assert.equal(got.start, start ?? 0, what);
  }
  await bench.put("nothing", new Uint8Array());
  const got = await bench.store.get(bench.key("nothing"), { signal: bench.signal, start: 0, end: 10 });
  assert.deepEqual([got.length, got.info.size], [0, 0]);
  got.body.close();
}

async function ifMatch(bench: Bench): Promise<void> {
  const put = await bench.put("pinned", pattern(1000, 1));
  const { etag } = await bench.store.head(bench.key("pinned"), { signal: bench.signal });
  assert(etag !== undefined && etag !== "");
  if (put.etag !== undefined) assert.equal(put.etag, etag, "put, head and get give the same ETag");
  const got = await bench.store.get(bench.key("pinned"), { signal: bench.signal, ifMatch: etag });
  assert.equal(got.info.etag, etag);
  got.body.close();
  assert.equal((await bench.read("pinned", { ifMatch: etag, start: 10, end: 20 })).length, 10);
  await bench.put("pinned", pattern(1001, 2));
  const options = { signal: bench.signal, ifMatch: etag };
  await bench.fails("changed", "pinned", bench.store.get(bench.key("pinned"), options));
  await bench.fails("changed", "pinned", bench.store.get(bench.key("pinned"), { ...options, start: 10 }));
}

/** Not a byte is kept: what was got before is not what is got after another writer was there. */
async function keepsNothing(bench: Bench): Promise<void> {
  await bench.put("fresh", pattern(100, 1));
  assert.deepEqual(await bench.read("fresh"), pattern(100, 1));
  const other = await bench.under.open();
  try {
    await other.put(bench.key("fresh"), bytesSource(pattern(100, 2)), { signal: bench.signal });
    assert.deepEqual(await bench.read("fresh"), pattern(100, 2));
  } finally {
    other.close();
  }
}

async function bodies(bench: Bench): Promise<void> {
  await bench.put("bodies", pattern(200_000));
  const bodies: ByteReader[] = [];
  for (let i = 0; i < 20; i++) {
    const { body } = await bench.store.get(bench.key("bodies"), { signal: bench.signal });
    if (i % 2 === 0) await body.read(new Uint8Array(100));
    bodies.push(body);
  }
  for (const body of bodies) {
    body.close();
    body.close();
  }
  const got = await bench.store.get(bench.key("bodies"), { signal: bench.signal });
  const into = new Uint8Array(1000);
  while (await got.body.read(into) !== null);
  assert.equal(await got.body.read(into), null, "null again at the end");
  got.body.close();
}

async function checksum(bench: Bench): Promise<void> {
  for (const size of [0, 1, 100_000]) {
    await bench.put("summed", pattern(size));
    const got = await bench.store.get(bench.key("summed"), { signal: bench.signal });
    const bytes = await readAll(got.body, 1e8, () => new Error("too large"));
    const { checksum } = got.info;
    if (checksum === undefined) assert.fail("no checksum");
    assert.equal(await hexOf(checksum.name, bytes), checksum.hex);
  }
}

async function putChecksum(bench: Bench): Promise<void> {
  const bytes = pattern(1000);
  const source = bytesSource(bytes);
  const key = bench.key("sent");
  const checksum = { name: "crc32", hex: await hexOf("crc32", bytes) } as const;
  await bench.store.put(key, source, { signal: bench.signal, checksum });
  assert.deepEqual(await bench.read("sent"), bytes);
  const wrong = bench.store.put(key, bytesSource(pattern(1000, 2)), { signal: bench.signal, checksum });
  await bench.fails("integrity", "sent", wrong);
  assert.deepEqual(await bench.read("sent"), bytes, "the old object stays");
}

async function denied(bench: Bench): Promise<void> {
  const store = await bench.under.openDenied!();
  const call = { signal: bench.signal };
  const key = bench.key("denied");
  try {
    await bench.fails("denied", "denied", store.get(key, call));
    await bench.fails("denied", "denied", store.head(key, call));
    await bench.fails("denied", "denied", store.list(key, call));
    await bench.fails("denied", "denied", store.put(key, bytesSource(pattern(10)), call));
    await bench.fails("denied", "denied", store.beginUpload(key, call));
    await bench.fails("denied", "denied", store.delete(key, call));
  } finally {
    store.close();
  }
}

async function cutShort(bench: Bench): Promise<void> {
  await bench.put("cut", pattern(8_000_000));
  const store = await bench.under.openCut!();
  try {
    const got = await store.get(bench.key("cut"), { signal: bench.signal });
    assert.equal(got.length, 8_000_000);
    await assert.rejects(readAll(got.body, 1e8, () => new Error("too large")), CopilotError);
  } finally {
    store.close();
  }
}

/** The steps of these clauses. */
export const STEPS: Step[] = [
  { clause: "2: a reader sees the old object until a put is over", run: atomicPut },
  { clause: "2: objects of any size, also of none", run: putSizes },
  { clause: "3: a source with fewer or more bytes than promised", run: wrongSource },
  { clause: "4: missing objects and prefixes", run: missing },
  { clause: "5: ranges, also at and past the end", run: ranges },
  { clause: "6: another version than the one asked for", run: ifMatch, difference: "if-match" },
  { clause: "9: no bytes are kept", run: keepsNothing },
  { clause: "10: bodies closed early, twice, and read to the end", run: bodies },
  { clause: "14: the checksum of an object", run: checksum, difference: "checksum" },
  {
    clause: "14: a checksum sent along is verified by the store",
    run: putChecksum,
    difference: "put-checksum",
  },
  { clause: "12: refused requests", run: denied, difference: "denied" },
  { clause: "13: a body that ends early is an error", run: cutShort, difference: "cut-short" },
];
