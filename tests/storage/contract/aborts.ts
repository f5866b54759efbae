/**
 * Clause 11: signals.
 * @module
 */
import assert from "assert";
import { bytesSource, readAll } from "../../../src/storage/store.ts";
import { type Bench, hanging, pattern, type Step } from "./harness.ts";

async function aborts(bench: Bench): Promise<void> {
  await bench.put("abort/old", pattern(100_000));
  const over = AbortSignal.abort();
  const old = bench.key("abort/old");
  await bench.fails("aborted", "abort/old", bench.store.get(old, { signal: over }));
  await bench.fails("aborted", "abort/old", bench.store.head(old, { signal: over }));
  await bench.fails("aborted", "abort/", bench.store.list(bench.key("abort/"), { signal: over }));
  await bench.fails(
    "aborted",
    "abort/old",
    bench.store.put(old, bytesSource(pattern(1)), { signal: over }),
  );
  await bench.fails("aborted", "abort/old", bench.store.delete(old, { signal: over }));
  await bench.fails("aborted", "abort/old", bench.store.beginUpload(old, { signal: over }));
  assert.deepEqual(await bench.read("abort/old"), pattern(100_000));
}

async function abortInBody(bench: Bench): Promise<void> {
  await bench.put("abortbody", pattern(3_000_000));
  const controller = new AbortController();
  const got = await bench.store.get(bench.key("abortbody"), { signal: controller.signal });
  await got.body.read(new Uint8Array(1000));
  controller.abort();
  await bench.fails("aborted", "abortbody", readAll(got.body, 1e8, () => new Error("too large")));
}

async function abortInPut(bench: Bench): Promise<void> {
  for (const name of ["abortput/new/x", "abortput/old"]) {
    if (name.endsWith("old")) await bench.put(name, pattern(10));
    const controller = new AbortController();
    const put = bench.store.put(bench.key(name), hanging(controller), { signal: controller.signal });
    await bench.fails("aborted", name, put);
  }
  assert.deepEqual(await bench.keys("abortput"), ["abortput/old"]);
  assert.deepEqual(await bench.read("abortput/old"), pattern(10));
}

async function abortInPart(bench: Bench): Promise<void> {
  const upload = await bench.store.beginUpload(bench.key("abortpart/x"), { signal: bench.signal });
  const controller = new AbortController();
  await bench.fails(
    "aborted",
    "abortpart/x",
    upload.part(1, hanging(controller), { signal: controller.signal }),
  );
  await upload.abort({ signal: bench.signal });
  assert.deepEqual(await bench.keys("abortpart"), []);
}

/** The steps of these clauses. */
export const STEPS: Step[] = [
  { clause: "11: a signal that has fired", run: aborts },
  { clause: "11: a signal that fires in the middle of a body", run: abortInBody },
  { clause: "11: a signal that fires in the middle of a put", run: abortInPut },
  { clause: "11: a signal that fires in the middle of a part", run: abortInPart },
];
