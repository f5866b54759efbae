/**
 * Clauses 1 and 7: keys and listings.
 * @module
 */
import assert from "assert";
import { compareKeys } from "../../../src/storage/key_order.ts";
import { type Bench, pattern, type Step } from "./harness.ts";

async function exactKeys(bench: Bench): Promise<void> {
  const names = [
    "a b",
    "a%20b",
    "a%2Fb",
    "100%.txt",
    "a#b",
    "a?b=c&d",
    "a+b",
    "c:d",
    "e@f",
    "g;h=i",
    "it's",
    '"quoted"',
    "<x>&amp;",
    "grüße",
    "gru\u0308ße",
    "日本",
    "😀",
    ".hidden",
    "..x",
    "~",
    "a*[b]{c}",
  ];
  for (const [i, name] of names.entries()) await bench.put(`exact/${name}`, pattern(i + 1, i));
  for (const [i, name] of names.entries()) {
    assert.deepEqual(await bench.read(`exact/${name}`), pattern(i + 1, i), name);
    assert.equal(
      (await bench.store.head(bench.key(`exact/${name}`), { signal: bench.signal })).size,
      i + 1,
    );
  }
  const listed = await bench.list(bench.key("exact/"));
  assert.deepEqual(
    new Map(listed.map(({ key, size }) => [key, size])),
    new Map(names.map((name, i) => [bench.key(`exact/${name}`), i + 1])),
  );
  for (const name of names) await bench.store.delete(bench.key(`exact/${name}`), { signal: bench.signal });
  assert.deepEqual((await bench.keys("exact/")).filter((key) => key !== "exact/"), []);
}

async function backslash(bench: Bench): Promise<void> {
  await bench.put("back\\slash", pattern(7));
  assert.deepEqual(await bench.read("back\\slash"), pattern(7));
  assert.deepEqual(await bench.keys("back"), ["back\\slash"]);
}

async function oddKeys(bench: Bench): Promise<void> {
  const names = ["odd//x", "odd/./x", "odd/x/", "odd/x"];
  for (const [i, name] of names.entries()) await bench.put(name, pattern(i + 1));
  for (const [i, name] of names.entries()) assert.deepEqual(await bench.read(name), pattern(i + 1), name);
  assert.deepEqual(new Set(await bench.keys("odd/")), new Set(names));
}

async function controlCharacters(bench: Bench): Promise<void> {
  const name = "control/\u0001\t\u001f\u007f\r\n";
  await bench.put(name, pattern(10));
  assert.deepEqual(await bench.read(name), pattern(10));
  assert.deepEqual(await bench.keys("control/"), [name]);
}

/** A name that makes a key of 1,024 bytes, in components that a file system can hold. */
function nameOf1024Bytes(bench: Bench): string {
  const parts: string[] = [];
  for (let left = 1024 - bench.key("long/").length; left > 0; left -= 201) {
    parts.push("n".repeat(Math.min(200, left)));
  }
  return `long/${parts.join("/")}`;
}

async function longKeys(bench: Bench): Promise<void> {
  const name = nameOf1024Bytes(bench);
  assert.equal(new TextEncoder().encode(bench.key(name)).length, 1024);
  await bench.put(name, pattern(10));
  assert.deepEqual(await bench.read(name), pattern(10));
  assert.deepEqual(await bench.keys("long/"), [name]);
}

async function longName(bench: Bench): Promise<void> {
  const name = `longname/${"ü".repeat(300)}`;
  await bench.put(name, pattern(10));
  assert.deepEqual(await bench.read(name), pattern(10));
}

async function keyAndPrefix(bench: Bench): Promise<void> {
  await bench.put("both", pattern(1));
  await bench.put("both/below", pattern(2));
  assert.deepEqual(await bench.keys("both"), ["both", "both/below"]);
}

async function objectAsPrefix(bench: Bench): Promise<void> {
  const { signal } = bench;
  await bench.put("lone/file.parquet", pattern(3));
  await bench.put("lone/empty", new Uint8Array());
  for (const [name, size] of [["lone/file.parquet", 3], ["lone/empty", 0]] as const) {
    assert.deepEqual(await bench.keys(`${name}/`), []);
    assert.equal((await bench.store.head(bench.key(name), { signal })).size, size);
  }
  await bench.fails("not-found", "lone/no", bench.store.head(bench.key("lone/no"), { signal }));
  assert.deepEqual(await bench.keys("lone/no/"), []);
}

async function markers(bench: Bench): Promise<void> {
  await bench.put("marked/", new Uint8Array());
  assert.deepEqual((await bench.list(bench.key("marked/"))).map(({ size }) => size), [0]);
  assert.deepEqual(await bench.keys("marked"), ["marked/"]);
  assert.equal((await bench.read("marked/")).length, 0);
  await bench.store.delete(bench.key("marked/"), { signal: bench.signal });
  assert.deepEqual(await bench.keys("marked"), []);
}

async function listOrder(bench: Bench): Promise<void> {
  const names = [
    "a",
    "a-",
    "a-b",
    "a.txt",
    "aa",
    "a0",
    "A",
    "_",
    "~",
    "ä",
    "\uffee",
    "😀",
    "b/1",
    "b/10",
    "b/2",
    "b.x",
    "b-x",
  ];
  for (const name of names) await bench.put(`order/${name}`, pattern(1));
  const keys = await bench.keys("order/");
  const sorted = names.map((name) => `order/${name}`).sort(compareKeys);
  if (bench.store.traits.sortedList) assert.deepEqual(keys, sorted);
  else assert.deepEqual([...keys].sort(compareKeys), sorted);
  assert.deepEqual(
    new Set(await bench.keys("order/b")),
    new Set(["b-x", "b.x", "b/1", "b/10", "b/2"].map((n) => `order/${n}`)),
  );
  assert.deepEqual(
    new Set(await bench.keys("order/b/")),
    new Set(["order/b/1", "order/b/10", "order/b/2"]),
  );
  assert.deepEqual(new Set(await bench.keys("order/b/1")), new Set(["order/b/1", "order/b/10"]));
  assert.deepEqual(await bench.keys("order/b/1/"), []);
  assert.deepEqual(await bench.keys("order/😀"), ["order/😀"]);
}

async function listPages(bench: Bench): Promise<void> {
  const count = bench.under.manyObjects;
  const names = Array.from({ length: count }, (_, i) => `many/${i % 7}/${String(i).padStart(6, "0")}`);
  for (let at = 0; at < count; at += 50) {
    await Promise.all(names.slice(at, at + 50).map((name, i) => bench.put(name, pattern((at + i) % 3))));
  }
  const first = await bench.store.list(bench.key("many/"), { signal: bench.signal });
  assert(first.next !== undefined && first.objects.length < count, "more than a page");
  const again = await bench.store.list(bench.key("many/"), { signal: bench.signal, token: first.next });
  const oncemore = await bench.store.list(bench.key("many/"), { signal: bench.signal, token: first.next });
  assert.deepEqual(again.objects, oncemore.objects, "a page asked for again by its token");
  const keys = await bench.keys("many/");
  assert.equal(keys.length, count);
  assert.deepEqual(bench.store.traits.sortedList ? keys : [...keys].sort(), [...names].sort());
}

/** The steps of these clauses. */
export const STEPS: Step[] = [
  { clause: "1: keys are byte-exact", run: exactKeys, difference: "exact-keys" },
  {
    clause: "1: keys with control characters",
    run: controlCharacters,
    difference: "control-character",
  },
  { clause: "1: a key with a backslash", run: backslash, difference: "backslash" },
  {
    clause: "1: keys with empty and dot components, as a name and with a slash behind it",
    run: oddKeys,
    difference: "any-key",
  },
  { clause: "1: keys of 1,024 bytes", run: longKeys, difference: "long-key" },
  { clause: "1: a component of 600 bytes", run: longName, difference: "long-name" },
  { clause: "1: a key may be the prefix of another", run: keyAndPrefix, difference: "key-and-prefix" },
  { clause: "1: a zero-byte key that ends in a slash", run: markers, difference: "marker" },
  { clause: "7: keys below a prefix, byte-wise ascending", run: listOrder },
  { clause: "7: several pages, each key once", run: listPages },
  { clause: "17: an object is not below its own key", run: objectAsPrefix },
];
