import assert from "assert";
import { CopilotError, type ErrorCode } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { RetryBudget, type RetryEvent, type RetryPolicy, withRetry } from "../../src/storage/retry.ts";
import { NotResumable } from "../../src/storage/resume.ts";
import { bytesSource, type GetResult, type ObjectStore, readAll } from "../../src/storage/store.ts";
import {
  type Call,
  FakeClock,
  type Fault,
  FlakyStore,
  HastyClock,
  script,
  settle,
  storeError,
} from "../support/fakes.ts";

const { signal } = new AbortController();
const DATA = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);

interface Setup {
  store: ObjectStore;
  flaky: FlakyStore;
  memory: MemoryStore;
  clock: FakeClock;
  events: RetryEvent[];
}

/** A store with the object `k` behind faults and the retry layer; jitter is always at its most. */
async function setUp(
  faultOf: (call: Call) => Fault | null,
  policy: Partial<RetryPolicy> & { clock?: FakeClock } = {},
): Promise<Setup> {
  const memory = new MemoryStore("mem://b");
  await memory.put("k", bytesSource(DATA), { signal });
  const flaky = new FlakyStore(memory, faultOf);
  const clock = policy.clock ?? new HastyClock();
  const events: RetryEvent[] = [];
  const store = withRetry(flaky, {
    clock,
    random: () => 1,
    deadlineMs: Infinity,
    onRetry: (event) => events.push(event),
    ...policy,
  });
  return { store, flaky, memory, clock, events };
}

async function read(store: ObjectStore, range: { start?: number; end?: number } = {}): Promise<Uint8Array> {
  const got = await store.get("k", { signal, ...range });
  return await readAll(got.body, 1e6, () => new Error("too large"));
}

const fail = (code: ErrorCode): Fault => ({ error: storeError(code) });
const always = (fault: Fault) => () => fault;

for (const code of ["throttled", "unavailable", "network", "timeout"] as const) {
  Deno.test(`retry: ${code} is tried again, in every call`, async () => {
    const faults = script({
      get: [fail(code)],
      head: [fail(code)],
      list: [fail(code)],
      put: [fail(code)],
      beginUpload: [fail(code)],
      part: [fail(code)],
      complete: [fail(code)],
      abort: [fail(code)],
      delete: [fail(code)],
    });
    const { store, memory, events } = await setUp(faults);
    assert.deepEqual(await read(store), DATA);
    assert.equal((await store.head("k", { signal })).size, 1000);
    assert.equal((await store.list("", { signal })).objects.length, 1);
    await store.put("p", bytesSource(DATA), { signal });
    const upload = await store.beginUpload("m", { signal });
    await upload.part(1, bytesSource(DATA), { signal });
    assert.equal((await upload.complete({ signal })).size, 1000);
    await upload.abort({ signal });
    await store.delete("k", { signal });
    assert.equal(events.length, 9);
    assert.deepEqual((await memory.list("", { signal })).objects.map(({ key }) => key), ["m", "p"]);
  });
}

Deno.test("retry: bytes that were damaged on their way up are sent again, and only those", async () => {
  const faults = script({ put: [fail("integrity")], part: [fail("integrity")], list: [fail("integrity")] });
  const { store, events } = await setUp(faults);
  await store.put("p", bytesSource(DATA), { signal });
  const upload = await store.beginUpload("m", { signal });
  await upload.part(1, bytesSource(DATA), { signal });
  await upload.complete({ signal });
  assert.deepEqual(events.map(({ error }) => error.code), ["integrity", "integrity"]);
  await assert.rejects(store.list("", { signal }), codeIs("integrity"));
});

for (
  const code of [
    "not-found",
    "denied",
    "changed",
    "integrity",
    "config",
    "aborted",
    "deadline",
    "internal",
  ] as const
) {
  Deno.test(`retry: ${code} is not tried again, and comes as it is`, async () => {
    const error = storeError(code);
    const { store, flaky } = await setUp(always({ error }));
    await assert.rejects(store.head("k", { signal }), (thrown) => thrown === error);
    assert.equal(flaky.count("head"), 1);
  });
}

Deno.test("retry: waits double from the base to the cap, times a random factor", async () => {
  const { store, clock } = await setUp(always(fail("network")), { attempts: 6, baseMs: 100, capMs: 1000 });
  await assert.rejects(store.head("k", { signal }));
  assert.deepEqual(clock.slept, [100, 200, 400, 800, 1000]);
  const half = await setUp(always(fail("network")), { attempts: 3, baseMs: 100, random: () => 0.5 });
  await assert.rejects(half.store.head("k", { signal }));
  assert.deepEqual(half.clock.slept, [50, 100]);
});

Deno.test("retry: Retry-After is honoured with jitter on top, up to two minutes", async () => {
  const faults = script({
    head: [
      { error: storeError("throttled", { retryAfterMs: 5000 }) },
      { error: storeError("throttled", { retryAfterMs: 86_400_000 }) },
    ],
  });
  const { store, clock } = await setUp(faults, { baseMs: 100 });
  await store.head("k", { signal });
  assert.deepEqual(clock.slept, [5100, 120_200]);
});

Deno.test("retry: the final error names action, object, attempts and cause, each once", async () => {
  const error = new CopilotError("unavailable", {
    action: "read",
    object: "mem://b/k",
    detail: "HTTP 500 InternalError",
    status: 500,
  });
  const { store } = await setUp(always({ error }), { attempts: 5 });
  await assert.rejects(store.get("k", { signal }), (thrown) => {
    assert(thrown instanceof CopilotError);
    assert.equal(thrown.message, 'Cannot read "mem://b/k" after 5 attempts: HTTP 500 InternalError');
    assert.deepEqual([thrown.code, thrown.status, thrown.object], ["unavailable", 500, "mem://b/k"]);
    return true;
  });
});

Deno.test("retry: an error behind retries that is not retryable still says how often it was tried", async () => {
  const { store } = await setUp(script({ head: [fail("network"), fail("denied")] }));
  await assert.rejects(
    store.head("k", { signal }),
    codeIs("denied", 'Cannot stat "mem://b/k" after 2 attempts: '),
  );
});

Deno.test("retry: an attempt that could not begin before the deadline is not waited for", async () => {
  const clock = new HastyClock();
  const { store, flaky } = await setUp(always(fail("network")), { clock, deadlineMs: 1000, baseMs: 400 });
  await assert.rejects(store.head("k", { signal }), codeIs("network", "after 2 attempts, with no time left"));
  assert.equal(flaky.count("head"), 2);
  assert(clock.monotonicMs() < 1000);
});

Deno.test("retry: an attempt that the deadline cuts off tells the failure before it, and a signal stays a signal", async () => {
  const over = new CopilotError("deadline", "Download not finished within 3 s");
  const stopped = new CopilotError("aborted", "Ended by a signal");
  const cases = [
    {
      reason: over,
      wanted: codeIs("network", 'Cannot stat "mem://b/k" after 1 attempt, with no time left'),
    },
    { reason: stopped, wanted: codeIs("aborted", "after 2 attempts") },
  ];
  for (const { reason, wanted } of cases) {
    const controller = new AbortController();
    const cutOff = (call: Call) => {
      if (flaky.count(call.method) === 1) return fail("network");
      controller.abort(reason);
      return fail("aborted");
    };
    const { store, flaky } = await setUp(cutOff);
    await assert.rejects(store.head("k", { signal: controller.signal }), wanted);
  }
});

Deno.test("retry: a wait that the deadline cuts off tells the failure before it", async () => {
  const controller = new AbortController();
  const { store } = await setUp(always(fail("network")), {
    clock: new FakeClock(),
    onRetry: () => controller.abort(new CopilotError("deadline", "Download not finished within 3 s")),
  });
  await assert.rejects(
    store.head("k", { signal: controller.signal }),
    codeIs("network", "after 1 attempt, with no time left for another"),
  );
});

Deno.test("retry: a Retry-After beyond the deadline ends at once", async () => {
  const error = storeError("throttled", { retryAfterMs: 60_000 });
  const { store, clock } = await setUp(always({ error }), { deadlineMs: 30_000 });
  await assert.rejects(store.head("k", { signal }), codeIs("throttled", "no time left"));
  assert.equal(clock.monotonicMs(), 0);
});

Deno.test("retry: an outage ends after about a minute by default", async () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const { store, clock, flaky } = await setUp(always(fail("unavailable")), { random });
  await assert.rejects(store.head("k", { signal }), codeIs("unavailable", "after 20 attempts"));
  assert.equal(flaky.count("head"), 20);
  assert(clock.monotonicMs() > 20_000 && clock.monotonicMs() < 133_000, `${clock.monotonicMs()} ms`);
});

Deno.test("retry: a store that is down gets a thousand useless requests from a run, not one more", async () => {
  const budget = new RetryBudget();
  const one = await setUp(always(fail("network")), { budget });
  const other = await setUp(always(fail("network")), { budget });
  let operations = 0;
  for (; operations < 60; operations++) {
    const { store } = operations % 2 === 0 ? one : other;
    await assert.rejects(store.head("k", { signal }));
  }
  assert.equal(one.flaky.calls.length + other.flaky.calls.length, 1000 + operations);
  await assert.rejects(
    one.store.head("k", { signal }),
    codeIs("network", "1 attempt, with no retries left for the run"),
  );
});

Deno.test("retry: with 30 % of requests and bodies failing, five thousand objects arrive", async () => {
  let seed = 42;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const faultOf = ({ method }: Call): Fault | null => {
    if (random() >= 0.3) return null;
    return method === "get" && random() < 0.5
      ? { bodyBytes: Math.floor(random() * 1000), then: storeError("network") }
      : fail("unavailable");
  };
  const { store, flaky } = await setUp(faultOf, { random, clock: new HastyClock() });
  for (let i = 0; i < 5000; i++) assert.deepEqual(await read(store), DATA);
  assert(flaky.count("get") > 6500, `${flaky.count("get")} requests`);
  assert.equal(flaky.openBodies, 0);
});

Deno.test("retry: a wait ends with `aborted` as soon as the signal fires", async () => {
  const clock = new FakeClock();
  const { store } = await setUp(always(fail("network")), { clock });
  const controller = new AbortController();
  const pending = store.head("k", { signal: controller.signal });
  pending.catch(() => {});
  await settle();
  assert.equal(clock.waiting, 1);
  controller.abort();
  await assert.rejects(pending, codeIs("aborted"));
  assert.equal(clock.waiting, 0);
});

Deno.test("resume: a body goes on at the byte where it broke, for the version that it began with", async () => {
  const network = storeError("network");
  const faults = script({
    get: [{ bodyBytes: 300, then: network }, { bodyBytes: 200, then: "end" }, fail("timeout")],
  });
  const { store, flaky } = await setUp(faults);
  assert.deepEqual(await read(store), DATA);
  const ranges = flaky.calls.map(({ get }) => [get?.start, get?.end, get?.ifMatch]);
  assert.deepEqual(ranges, [
    [undefined, undefined, undefined],
    [300, 1000, '"1"'],
    [500, 1000, '"1"'],
    [500, 1000, '"1"'],
  ]);
  assert.equal(flaky.openBodies, 0);
});

Deno.test("resume: a range stays inside its bounds", async () => {
  const faults = script({ get: [{ bodyBytes: 10, then: storeError("network") }] });
  const { store, flaky } = await setUp(faults);
  assert.deepEqual(await read(store, { start: 100, end: 200 }), DATA.subarray(100, 200));
  assert.deepEqual([flaky.calls[1]?.get?.start, flaky.calls[1]?.get?.end], [110, 200]);
});

Deno.test("resume: bytes that come make the next failure the first again", async () => {
  const faults = Array.from({ length: 50 }, () => ({ bodyBytes: 1, then: storeError("network") }));
  const { store, clock } = await setUp(script({ get: faults }), { attempts: 2, baseMs: 100 });
  assert.deepEqual(await read(store), DATA);
  assert.deepEqual(new Set(clock.slept), new Set([100]));
});

Deno.test("resume: a body that never gives a byte ends with the attempts", async () => {
  const { store, flaky } = await setUp(always({ bodyBytes: 0, then: storeError("timeout") }), {
    attempts: 4,
  });
  await assert.rejects(read(store), codeIs("timeout", 'Cannot read "mem://b/k" after 4 attempts: '));
  assert.equal(flaky.count("get"), 4);
  assert.equal(flaky.openBodies, 0);
});

Deno.test("resume: a store that ignores ranges is read past what has come", async () => {
  const ignoring = (fault: Fault | null) => (call: Call): Fault | null => {
    const first = fault;
    fault = null;
    if (first !== null) return first;
    delete call.get?.start;
    return null;
  };
  const { store } = await setUp(ignoring({ bodyBytes: 300, then: storeError("network") }));
  assert.deepEqual(await read(store), DATA);
});

for (
  const [what, reply, why] of [
    ["that begins elsewhere", (got) => ({ ...got, start: got.start + 1 }), "from byte 301 on"],
    ["without a byte of the rest", (got) => ({ ...got, length: 0 }), "gives 0 from byte 300 on"],
    [
      "with a weak ETag",
      (got) => ({ ...got, info: { ...got.info, etag: 'W/"1"' } }),
      'the ETag is W/"1" now',
    ],
    ["without an ETag", (got) => ({ ...got, info: { key: "k", size: 1000 } }), "the ETag is missing now"],
  ] satisfies [string, (got: GetResult) => GetResult, string][]
) {
  Deno.test(`resume: a reply ${what} is never used`, async () => {
    const faults = script({ get: [{ bodyBytes: 300, then: storeError("network") }, { reply }] });
    const { store, flaky } = await setUp(faults);
    await assert.rejects(read(store), notResumable(why));
    assert.equal(flaky.count("get"), 2);
    assert.equal(flaky.openBodies, 0);
  });
}

function notResumable(...texts: string[]): (error: unknown) => boolean {
  return (error) => codeIs("network", "cannot be resumed", ...texts)(error) && error instanceof NotResumable;
}

Deno.test("resume: an object that was replaced meanwhile is `changed`, whether the store checks or not", async () => {
  for (const checks of [true, false]) {
    let calls = 0;
    const faultOf = (call: Call): Fault | null => {
      if (calls++ === 0) return { bodyBytes: 300, then: storeError("network") };
      if (!checks) delete call.get?.ifMatch;
      return null;
    };
    const { store, memory } = await setUp(faultOf);
    const got = await store.get("k", { signal });
    await memory.put("k", bytesSource(DATA.toReversed()), { signal });
    await assert.rejects(
      readAll(got.body, 1e6, () => new Error("too large")),
      codeIs("changed", 'it had the ETag "1" and has "2" now'),
    );
  }
});

Deno.test("resume: another ETag beside the same date of modification is another server's, and never mixed", async () => {
  const dated = (etag: string): Fault => ({
    reply: (got) => ({ ...got, info: { ...got.info, etag, modified: "Thu, 01 Jan 2026 00:00:00 GMT" } }),
  });
  const { memory } = await setUp(() => null);
  let etag = '"a"';
  const inner = new FlakyStore(memory, ({ get }) => {
    delete get?.ifMatch;
    return dated(etag);
  });
  const faults: (Fault | null)[] = [{ bodyBytes: 300, then: storeError("network") }];
  const outer = new FlakyStore(inner, () => {
    const fault = faults.shift() ?? null;
    if (fault === null) etag = '"b"';
    return fault;
  });
  const store = withRetry(outer, { clock: new HastyClock(), random: () => 0, deadlineMs: Infinity });
  await assert.rejects(read(store), notResumable('the ETag is "b" now, it was "a"'));
});

Deno.test("resume: another size is `changed`", async () => {
  const faults = script({
    get: [
      { bodyBytes: 300, then: storeError("network") },
      { reply: (got) => ({ ...got, info: { ...got.info, size: 999 } }) },
    ],
  });
  const { store } = await setUp(faults);
  await assert.rejects(read(store), codeIs("changed", "it had 1000 bytes and has 999 now"));
});

Deno.test("resume: a store that refuses every condition is asked without, and its ETag compared", async () => {
  const breaking = { bodyBytes: 300, then: storeError("network") };
  const faults = [breaking];
  const { store, flaky } = await setUp(({ get }) =>
    get?.ifMatch === undefined ? faults.shift() ?? null : fail("changed")
  );
  assert.deepEqual(await read(store), DATA);
  assert.deepEqual(flaky.calls.map(({ get }) => get?.ifMatch), [undefined, '"1"', undefined]);
});

Deno.test("resume: without a strong ETag nothing is asked for again", async () => {
  for (const etag of [undefined, 'W/"1"']) {
    const reply: Fault = {
      reply: (got) => ({
        ...got,
        info: { key: "k", size: 1000, ...(etag !== undefined && { etag }) },
        body: { ...got.body, read: () => Promise.reject(storeError("network")) },
      }),
    };
    const { store, flaky, clock } = await setUp(always(reply));
    await assert.rejects(read(store), notResumable("no strong ETag", "Cannot reach the store"));
    assert.deepEqual([flaky.count("get"), clock.slept], [1, []]);
  }
});

Deno.test("resume: closing in the middle closes what is behind it and ends the reading", async () => {
  const { store, flaky } = await setUp(() => null);
  const got = await store.get("k", { signal });
  await got.body.read(new Uint8Array(10));
  got.body.close();
  got.body.close();
  assert.equal(await got.body.read(new Uint8Array(10)), null);
  assert.equal(flaky.openBodies, 0);
});

Deno.test("put and parts open their source again for every attempt", async () => {
  let opened = 0;
  const source = { ...bytesSource(DATA), open: () => (opened++, bytesSource(DATA).open()) };
  const lost: Fault = { lost: storeError("network") };
  const { store, memory } = await setUp(script({ put: [lost, lost], part: [lost] }));
  await store.put("p", source, { signal });
  assert.equal(opened, 3);
  const upload = await store.beginUpload("m", { signal });
  await upload.part(1, source, { signal });
  await upload.complete({ signal });
  assert.equal(opened, 5);
  assert.equal((await memory.head("m", { signal })).size, 1000);
});

Deno.test("complete: a lost reply is made up for by looking at the object", async () => {
  const { store, flaky } = await setUp(script({ complete: [{ lost: storeError("network") }] }));
  const upload = await store.beginUpload("m", { signal });
  await upload.part(2, bytesSource(DATA), { signal });
  await upload.part(1, bytesSource(DATA), { signal });
  assert.equal((await upload.complete({ signal })).size, 2000);
  assert.deepEqual([flaky.count("complete"), flaky.count("head")], [2, 1]);
});

Deno.test("complete: an unknown upload and an object of another size is an error", async () => {
  const { store, memory } = await setUp(
    script({ complete: [fail("network"), { error: storeError("not-found") }] }),
  );
  await memory.put("m", bytesSource(DATA.subarray(1)), { signal });
  const upload = await store.beginUpload("m", { signal });
  await upload.part(1, bytesSource(DATA), { signal });
  await assert.rejects(upload.complete({ signal }), codeIs("not-found", "after 2 attempts"));
});

Deno.test("complete: not-found is believed when no earlier try can have done it", async () => {
  for (const first of [[], [fail("throttled")]]) {
    const { store, memory, flaky } = await setUp(
      script({ complete: [...first, { error: storeError("not-found") }] }),
    );
    await memory.put("m", bytesSource(DATA), { signal });
    const upload = await store.beginUpload("m", { signal });
    await upload.part(1, bytesSource(DATA), { signal });
    await assert.rejects(upload.complete({ signal }), codeIs("not-found"));
    assert.equal(flaky.count("head"), 0);
  }
});

Deno.test("list: a page is asked for again by its token", async () => {
  const { store, memory, flaky } = await setUp(script({ list: [null, fail("unavailable")] }));
  for (let i = 0; i < 1500; i++) await memory.put(`l/${i}`, bytesSource(new Uint8Array()), { signal });
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await store.list("l/", { signal, ...(token === undefined ? {} : { token }) });
    keys.push(...page.objects.map(({ key }) => key));
    token = page.next;
  } while (token !== undefined);
  assert.equal(new Set(keys).size, 1500);
  assert.equal(keys.length, 1500);
  assert.equal(flaky.count("list"), 3);
});
