import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { decodedCostFor, MetadataBudget, metadataBytesFor } from "../../src/storage/metadata_budget.ts";
import { Stores } from "../../src/storage/stores.ts";
import { sys } from "../../src/system/deno.ts";
import { memoryConfig, MIB, signal } from "../support/flows.ts";
import { bytesSource } from "../../src/storage/store.ts";

Deno.test("metadata: as much as the memory holds once it is decoded, and never less than the original takes", () => {
  const cases: [number | undefined, number][] = [
    [undefined, Infinity],
    [128 * MIB, Math.floor(48 * MIB / 6)],
    [1024 * MIB, Math.floor(944 * MIB / 6)],
    [64 * MIB, 2 * MIB],
  ];
  for (const [limit, wanted] of cases) assert.equal(metadataBytesFor(limit), wanted);
});

Deno.test("metadata: a document that would not fit the memory is refused before it is read, with what to raise", async () => {
  const stores = new Stores({
    config: memoryConfig(),
    context: { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve() },
    memoryLimitBytes: 64 * MIB,
    warn: assert.fail,
    retry: { clock: sys.clock, random: () => 0, deadlineMs: Infinity },
  });
  const { store, key } = await stores.at("mem://b/in", "x");
  assert(!(store instanceof MemoryStore), "it is wrapped");
  await store.put(key, bytesSource(new Uint8Array(2 * MIB + 1)), { signal });
  const read = (maxBytes: number) => stores.read("mem://b/in", { what: "the inputs", maxBytes, signal });
  await assert.rejects(read(0), codeIs("input", "the inputs", "mem://b/in", "--memory-limit"));
  await assert.rejects(read(100), codeIs("input", "100 bytes", "maxDownloadMBs"));
  await stores.close();
});

Deno.test("metadata: documents of more values than the memory holds are refused, together, with what to raise", () => {
  assert.equal(decodedCostFor(undefined), Infinity);
  assert.equal(decodedCostFor(64 * MIB), 20_000);
  const budget = new MetadataBudget(128 * MIB);
  const max = decodedCostFor(128 * MIB);
  budget.take(max - 1, "the inputs");
  budget.take(1, "an offloaded literal");
  assert.throws(
    () => budget.take(10_000, 'the inputs "s3://b/k"'),
    codeIs("input", 'the inputs "s3://b/k"', "51 MiB", "room for 49 MiB", "--memory-limit"),
  );
});

Deno.test("metadata: documents that are text count together as well, and one as large as a document may be fits", () => {
  const largest = metadataBytesFor(128 * MIB);
  const budget = new MetadataBudget(128 * MIB);
  budget.takeBytes(largest, "the inputs");
  budget.take(100, "the inputs");
  assert.throws(
    () => budget.takeBytes(MIB, "the offloaded literal"),
    codeIs("input", "the offloaded literal", "--memory-limit"),
  );
  const two = new MetadataBudget(128 * MIB);
  two.takeBytes(7 * MIB, "the first");
  assert.throws(() => two.takeBytes(7 * MIB, "the second"), codeIs("input", "the second"));
});

Deno.test("metadata: the bytes of numbers are not counted on top of what they weigh", () => {
  const budget = new MetadataBudget(128 * MIB);
  const cost = decodedCostFor(128 * MIB);
  budget.takeBytes(cost * 12, "the inputs");
  budget.take(cost, "the inputs");
});

Deno.test("metadata: documents of one budget are counted as they are read", async () => {
  const stores = new Stores({
    config: memoryConfig(),
    context: { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve() },
    memoryLimitBytes: 128 * MIB,
    warn: assert.fail,
    retry: { clock: sys.clock, random: () => 0, deadlineMs: Infinity },
  });
  const { store, key } = await stores.at("mem://b/in", "x");
  await store.put(key, bytesSource(new Uint8Array(5 * MIB)), { signal });
  const budget = stores.budget();
  const options = { what: "the inputs", maxBytes: 0, signal, budget };
  await stores.read("mem://b/in", options);
  await assert.rejects(stores.read("mem://b/in", options), codeIs("input", "mem://b/in", "--memory-limit"));
  await stores.close();
});
