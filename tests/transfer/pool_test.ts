import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { Pool } from "../../src/transfer/pool.ts";
import { FakeClock, settle } from "../support/fakes.ts";
import { seeded } from "../support/plans.ts";

function poolOf(limits: { min: number; start: number; max: number }): { pool: Pool; clock: FakeClock } {
  const clock = new FakeClock();
  return { pool: new Pool(clock, limits), clock };
}

/** Finishes as many requests as a window has, `perSecond` of them a second. */
async function window(pool: Pool, clock: FakeClock, perSecond: number): Promise<void> {
  const count = pool.limit * 2;
  for (let done = 0; done < count; done++) {
    await pool.acquire();
    await clock.advance(1000 / perSecond);
    pool.release();
  }
}

Deno.test("pool: gives as many slots as its limit, the rest wait in their order", async () => {
  const { pool } = poolOf({ min: 1, start: 2, max: 2 });
  const order: number[] = [];
  for (let i = 0; i < 5; i++) pool.acquire().then(() => order.push(i));
  await settle();
  assert.deepEqual(order, [0, 1]);
  assert.equal(pool.active, 2);
  pool.release();
  await settle();
  assert.deepEqual(order, [0, 1, 2]);
  pool.release();
  pool.release();
  await settle();
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  assert.equal(pool.active, 2);
});

Deno.test("pool: a spare slot is one that nobody waits for", async () => {
  const { pool } = poolOf({ min: 1, start: 2, max: 2 });
  assert.equal(pool.tryAcquire(), true);
  assert.equal(pool.tryAcquire(), true);
  assert.equal(pool.tryAcquire(), false);
  const waiting = pool.acquire();
  pool.release();
  await waiting;
  assert.equal(pool.tryAcquire(), false, "the slot went to the one who waited");
});

Deno.test("pool: a smaller bound holds from then on, for growth too", async () => {
  const { pool, clock } = poolOf({ min: 2, start: 4, max: 64 });
  for (let i = 0; i < 4; i++) await pool.acquire();
  pool.atMost(3);
  pool.release();
  assert.equal(pool.tryAcquire(), false, "three are still held");
  pool.release();
  assert.equal(pool.tryAcquire(), true);
  for (let i = 0; i < 3; i++) pool.release();
  for (const rate of [10, 100, 1000]) await window(pool, clock, rate);
  assert.equal(pool.limit, 3);
  pool.atMost(0);
  assert.equal(pool.limit, 2, "never fewer than the least");
});

Deno.test("pool: the bound is never exceeded, whatever comes in whatever order", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed);
    const max = 1 + Math.floor(random() * 40);
    const min = 1 + Math.floor(random() * max);
    const start = min + Math.floor(random() * (max - min + 1));
    const { pool, clock } = poolOf({ min, start, max });
    let holding = 0;
    for (let step = 0; step < 400; step++) {
      const what = random();
      if (what < 0.45) pool.acquire().then(() => holding++);
      else if (what < 0.55) holding += pool.tryAcquire() ? 1 : 0;
      else if (what < 0.95 && holding > 0) {
        holding--;
        pool.release();
      } else if (what > 0.99) pool.throttled();
      await clock.advance(random() * 20);
      assert.equal(pool.active, holding, `seed ${seed}, step ${step}`);
      assert(pool.active <= max, `seed ${seed}: ${pool.active} slots in use, at most ${max}`);
      assert(pool.limit >= min && pool.limit <= max, `seed ${seed}: limit ${pool.limit}`);
    }
  }
});

Deno.test("pool: slots double while that is clearly faster, up to the maximum", async () => {
  const { pool, clock } = poolOf({ min: 2, start: 4, max: 24 });
  const limits = [pool.limit];
  for (const perSecond of [100, 200, 400, 800]) {
    await window(pool, clock, perSecond);
    limits.push(pool.limit);
  }
  assert.deepEqual(limits, [4, 8, 16, 24, 24]);
});

Deno.test("pool: slots stay where more of them were not faster", async () => {
  const { pool, clock } = poolOf({ min: 2, start: 4, max: 64 });
  await window(pool, clock, 100);
  for (const perSecond of [105, 107]) await window(pool, clock, perSecond);
  assert.equal(pool.limit, 8);
  for (const perSecond of [1000, 2000]) await window(pool, clock, perSecond);
  assert.equal(pool.limit, 8, "found once, it is kept");
});

Deno.test("pool: one slow window is chance, and growth goes on after it", async () => {
  const { pool, clock } = poolOf({ min: 2, start: 4, max: 64 });
  for (const perSecond of [100, 20, 200]) await window(pool, clock, perSecond);
  assert.equal(pool.limit, 16);
});

Deno.test("pool: a store that asks to slow down halves the slots, at most once a second, never below the minimum", async () => {
  const { pool, clock } = poolOf({ min: 3, start: 16, max: 64 });
  pool.throttled();
  pool.throttled();
  assert.equal(pool.limit, 8);
  await clock.advance(999);
  pool.throttled();
  assert.equal(pool.limit, 8);
  await clock.advance(1);
  pool.throttled();
  assert.equal(pool.limit, 4);
  for (let i = 0; i < 3; i++) {
    await clock.advance(1000);
    pool.throttled();
  }
  assert.equal(pool.limit, 3);
  for (const perSecond of [1000, 5000]) await window(pool, clock, perSecond);
  assert.equal(pool.limit, 3, "it does not grow into the next complaint");
});

Deno.test("pool: after a retreat no slot is given until fewer are in use than there are", async () => {
  const { pool } = poolOf({ min: 1, start: 4, max: 4 });
  for (let i = 0; i < 4; i++) await pool.acquire();
  pool.throttled();
  let got = false;
  pool.acquire().then(() => got = true);
  for (const expected of [false, false, true]) {
    pool.release();
    await settle();
    assert.equal(got, expected);
  }
  assert.equal(pool.active, 2);
});

Deno.test("pool: after fail() those who wait and those who come are turned away with its error", async () => {
  const { pool } = poolOf({ min: 1, start: 1, max: 1 });
  await pool.acquire();
  const first = pool.acquire();
  const second = pool.acquire();
  const error = new CopilotError("denied", "No");
  const both = Promise.allSettled([first, second]);
  pool.fail(error);
  pool.fail(new CopilotError("io", "Later"));
  for (const result of await both) assert(result.status === "rejected" && result.reason === error);
  await assert.rejects(pool.acquire(), (thrown) => thrown === error);
  assert.equal(pool.tryAcquire(), false);
  pool.release();
  assert.equal(pool.active, 0, "what was held can still be given back");
  assert.equal(pool.tryAcquire(), false);
});

Deno.test("pool: fail() without an error says that the transfer was cancelled", async () => {
  const { pool } = poolOf({ min: 1, start: 1, max: 1 });
  pool.fail(undefined);
  await assert.rejects(pool.acquire(), codeIs("aborted", "cancelled"));
});
