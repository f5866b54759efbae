import assert from "assert";
import { ExactReader, readThrough } from "../../../src/storage/cloud/exact_source.ts";
import { sumOf } from "../../../src/storage/cloud/source_sums.ts";
import { type ByteSource, bytesSource } from "../../../src/storage/store.ts";
import { codeIs } from "../../support/errors.ts";
import { LIVE } from "../../support/http.ts";

const BYTES = new TextEncoder().encode("123456789");

/** A source that announces another length than it has. */
function announcing(size: number): ByteSource {
  return { size, open: () => bytesSource(BYTES).open() };
}

Deno.test("exact source: as many bytes as announced, in pieces", async () => {
  const reader = new ExactReader(announcing(9), "s3://b/k");
  const seen: number[] = [];
  for (let count; (count = await reader.read(new Uint8Array(4))) !== null;) seen.push(count);
  assert.deepEqual(seen, [4, 4, 1]);
  assert.equal(await reader.read(new Uint8Array(4)), null);
});

Deno.test("exact source: fewer and more are told at the end, before a null", async () => {
  for (const [size, found] of [[10, "fewer"], [8, "more"], [0, "more"]] as const) {
    const buffer = new Uint8Array(3);
    const all = readThrough(announcing(size), { buffer, object: "s3://b/k", take() {} });
    await assert.rejects(all, codeIs("changed", "s3://b/k", `${found} bytes than the ${size}`));
  }
});

Deno.test("source sums: one reading gives the sum, keeps the bytes and holds them against what is expected", async () => {
  const keep = new Uint8Array(9);
  const options = { object: "s3://b/k", signal: LIVE, keep };
  const expected = { name: "crc32" as const, hex: "cbf43926" };
  assert.equal(await sumOf(announcing(9), "crc32c", { ...options, expected }), "e3069283");
  assert.deepEqual(keep, BYTES);
  await assert.rejects(
    sumOf(announcing(9), "md5", { ...options, expected: { name: "crc32", hex: "00000000" } }),
    codeIs("integrity", "s3://b/k", "cbf43926", "00000000"),
  );
  await assert.rejects(sumOf(announcing(8), "md5", { object: "s3://b/k", signal: LIVE }), codeIs("changed"));
});
