import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { slotsFor } from "../../src/transfer/session.ts";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { settle, storeError } from "../support/fakes.ts";
import { MIB, sessionOn } from "../support/flows.ts";

Deno.test("session: settle waits for every task, then throws the first error", async () => {
  const session = sessionOn();
  const slow = Promise.withResolvers<void>();
  let slowEnded = false;
  await session.start(() => slow.promise.then(() => void (slowEnded = true)));
  const fail = (code: "denied" | "not-found") => session.start(() => Promise.reject(storeError(code)));
  await Promise.all([fail("denied"), fail("not-found")]);
  let settled = false;
  const end = session.settle().finally(() => settled = true);
  await settle();
  assert.equal(settled, false);
  assert.equal(session.signal.aborted, true, "the other tasks are told");
  slow.resolve();
  await assert.rejects(end, codeIs("denied"));
  assert.equal(slowEnded, true);
  assert.equal(session.pool.active, 0);
  await assert.rejects(session.start(() => Promise.resolve()), codeIs("denied"));
});

Deno.test("session: start waits while all slots are taken, so that tasks are not made ahead", async () => {
  const session = sessionOn({ memoryLimitBytes: 0 });
  const ends = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let started = 0;
  const all = (async () => {
    for (const { promise } of ends) {
      await session.start(() => promise);
      started++;
    }
  })();
  await settle();
  assert.equal(started, 2);
  assert.equal(session.startSpare(() => Promise.resolve()), null);
  ends[0]!.resolve();
  await all;
  for (const { resolve } of ends) resolve();
  await session.settle();
  assert.equal(session.pool.active, 0);
});

Deno.test("session: the run's signal fails it with the signal's reason, also when it has fired before", async () => {
  const controller = new AbortController();
  const session = sessionOn({ signal: controller.signal });
  controller.abort(new CopilotError("deadline", "Over"));
  await assert.rejects(session.settle(), codeIs("deadline", "Over"));
  const late = sessionOn({ signal: controller.signal });
  assert.equal(late.signal.aborted, true);
  await assert.rejects(late.settle(), codeIs("deadline", "Over"));
});

Deno.test("session: what was failing when the deadline struck says more than that it struck; what is cancelled by it does not", () => {
  const over = new CopilotError("deadline", "Over");
  const cause = new CopilotError(
    "unavailable",
    "Cannot read x after 3 attempts, with no time left for another",
  );
  const cancelled = new CopilotError("aborted", "Cancelled");
  const cases: [unknown[], unknown][] = [
    [[over, cancelled, cause, new CopilotError("denied", "later")], cause],
    [[over, cancelled], over],
    [[cause, over], cause],
  ];
  for (const [errors, wanted] of cases) {
    const session = sessionOn();
    for (const error of errors) session.fail(error);
    assert.equal(session.failure, wanted);
    assert.equal(session.signal.reason, errors[0]);
  }
});

Deno.test("session: slots fit the memory, within bounds", () => {
  assert.equal(slotsFor(0), 2);
  assert.equal(slotsFor(64 * MIB), 2);
  assert.equal(slotsFor(1024 * MIB), 112);
  const usual = slotsFor(128 * MIB);
  assert(usual > 16 && usual <= 112, String(usual));
});

Deno.test("session: connections under TLS take more memory, so there are fewer", () => {
  const session = sessionOn();
  const { traits } = new MemoryStore("mem://b");
  session.opened(traits);
  assert.equal(session.pool.limit, 64);
  for (let i = 0; i < 64; i++) assert(session.pool.tryAcquire());
  session.opened({ ...traits, encrypted: true });
  assert.equal(session.pool.limit, 48);
  for (let i = 0; i < 64; i++) session.pool.release();
  assert.equal(session.pool.limit, 48, "twice as many were the next step");
});
