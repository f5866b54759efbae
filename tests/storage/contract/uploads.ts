/**
 * Clause 8: uploads in parts.
 * @module
 */
import assert from "assert";
import { bytesSource } from "../../../src/storage/store.ts";
import { type Bench, lying, observed, pattern, type Step } from "./harness.ts";

/** Bytes of every part but the last. */
function partBytes(bench: Bench): number {
  return Math.max(bench.store.traits.minPartBytes, 1000);
}

/**
 * Uploads parts in the order given; a number may come twice, and the highest is the last part.
 *
 * @returns what the object must be
 */
async function uploadParts(
  bench: Bench,
  name: string,
  order: [number: number, seed: number][],
): Promise<Uint8Array> {
  const { store, signal } = bench;
  const upload = await store.beginUpload(bench.key(name), { signal });
  const highest = Math.max(...order.map(([number]) => number));
  const parts = new Map<number, Uint8Array>();
  try {
    for (const [number, seed] of order) {
      const bytes = pattern(number === highest ? 77 : partBytes(bench), seed);
      parts.set(number, bytes);
      await upload.part(number, bytesSource(bytes), { signal });
      assert.deepEqual(await bench.keys(name), [], "nothing is visible before the end");
    }
    await upload.complete({ signal });
  } catch (error) {
    await upload.abort({ signal });
    throw error;
  }
  const pieces = [...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
  return new Uint8Array(await new Blob(pieces as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

async function multipart(bench: Bench): Promise<void> {
  const bytes = await uploadParts(bench, "parts/ordered", [[1, 1], [2, 2], [3, 3]]);
  assert.deepEqual(await bench.read("parts/ordered"), bytes);
  const one = await uploadParts(bench, "parts/one", [[1, 1]]);
  assert.deepEqual(await bench.read("parts/one"), one);
}

async function multipartAnyOrder(bench: Bench): Promise<void> {
  const bytes = await uploadParts(bench, "parts/any", [[3, 3], [1, 1], [2, 2]]);
  assert.deepEqual(await bench.read("parts/any"), bytes);
}

async function multipartReplaced(bench: Bench): Promise<void> {
  const bytes = await uploadParts(bench, "parts/replaced", [[1, 1], [2, 2], [1, 9], [2, 8]]);
  assert.deepEqual(await bench.read("parts/replaced"), bytes);
}

async function multipartOtherSize(bench: Bench): Promise<void> {
  const upload = await bench.store.beginUpload(bench.key("parts/resized"), { signal: bench.signal });
  const call = { signal: bench.signal };
  const size = partBytes(bench);
  await upload.part(1, bytesSource(pattern(size + 10, 1)), call);
  await upload.part(2, bytesSource(pattern(500, 2)), call);
  await upload.part(1, bytesSource(pattern(size, 3)), call);
  const short = lying(600, 5);
  await bench.fails("changed", "parts/resized", upload.part(2, short, call));
  await upload.part(2, bytesSource(pattern(400, 4)), call);
  assert.equal((await upload.complete(call)).size, size + 400);
  const bytes = await bench.read("parts/resized");
  assert.deepEqual(bytes.subarray(0, size), pattern(size, 3));
  assert.deepEqual(bytes.subarray(size), pattern(400, 4));
}

async function failedReplacement(bench: Bench): Promise<void> {
  const upload = await bench.store.beginUpload(bench.key("parts/kept"), { signal: bench.signal });
  const call = { signal: bench.signal };
  await upload.part(1, bytesSource(pattern(1000, 1)), call);
  await bench.fails("changed", "parts/kept", upload.part(1, lying(1000, 500), call));
  await upload.complete(call);
  assert.deepEqual(await bench.read("parts/kept"), pattern(1000, 1));
}

async function multipartAtOnce(bench: Bench): Promise<void> {
  const upload = await bench.store.beginUpload(bench.key("parts/atonce"), { signal: bench.signal });
  const size = partBytes(bench);
  const numbers = [1, 2, 3, 4];
  const part = (number: number) =>
    upload.part(number, observed(pattern(size, number), () => new Promise((go) => setTimeout(go, 0))), {
      signal: bench.signal,
    });
  await Promise.all(numbers.map(part));
  await upload.complete({ signal: bench.signal });
  const bytes = await bench.read("parts/atonce");
  for (const number of numbers) {
    assert.deepEqual(bytes.subarray((number - 1) * size, number * size), pattern(size, number));
  }
}

async function multipartAbort(bench: Bench): Promise<void> {
  await bench.put("aborted/old", pattern(10));
  for (const name of ["aborted/new/x", "aborted/old"]) {
    const upload = await bench.store.beginUpload(bench.key(name), { signal: bench.signal });
    await upload.part(1, bytesSource(pattern(1000)), { signal: bench.signal });
    await upload.abort({ signal: bench.signal });
    await upload.abort({ signal: bench.signal });
  }
  assert.deepEqual(await bench.keys("aborted"), ["aborted/old"]);
  assert.deepEqual(await bench.read("aborted/old"), pattern(10));
}

async function completeAfterAbort(bench: Bench): Promise<void> {
  await bench.put("toolate/old", pattern(10));
  for (const name of ["toolate/new", "toolate/old"]) {
    const upload = await bench.store.beginUpload(bench.key(name), { signal: bench.signal });
    await upload.part(1, bytesSource(pattern(1000)), { signal: bench.signal });
    await upload.abort({ signal: bench.signal });
    await bench.fails("not-found", name, upload.complete({ signal: bench.signal }));
  }
  assert.deepEqual(await bench.keys("toolate"), ["toolate/old"]);
}

/** The steps of these clauses. */
export const STEPS: Step[] = [
  { clause: "8: an upload in parts", run: multipart },
  { clause: "8: parts in any order", run: multipartAnyOrder, unordered: true },
  { clause: "8: a part sent again replaces the earlier one", run: multipartReplaced, unordered: true },
  {
    clause: "8: a part sent again with another size, also after a failed try",
    run: multipartOtherSize,
    unordered: true,
  },
  {
    clause: "8: a part sent again that fails leaves the earlier one",
    run: failedReplacement,
    unordered: true,
  },
  { clause: "8: parts at once", run: multipartAtOnce, unordered: true },
  { clause: "8: an aborted upload leaves nothing", run: multipartAbort },
  {
    clause: "8: an aborted upload cannot be completed",
    run: completeAfterAbort,
    difference: "complete-after-abort",
  },
];
