import assert from "assert";
import { type Expiring, Renewed } from "../../../src/storage/cloud/renewed.ts";

const MINUTE_MS = 60_000;

/** A source of tokens that last an hour, on a clock that is moved by hand. */
function source(lifetimeMs: number | null = 60 * MINUTE_MS) {
  const clock = { ms: 0, nowMs: () => clock.ms };
  const state = { fetched: 0, fails: false };
  const renewed = new Renewed<Expiring & { id: number }>(async () => {
    await Promise.resolve();
    if (state.fails) throw new Error("no");
    const id = ++state.fetched;
    return { id, ...(lifetimeMs !== null && { expiresAtMs: clock.ms + lifetimeMs }) };
  }, clock);
  return { clock, state, renewed };
}

Deno.test("renewed: fetched once for all who ask at the same time, and then at hand without a wait", async () => {
  const { renewed, state } = source();
  const all = await Promise.all([renewed.get(), renewed.get(), renewed.get()]);
  assert.deepEqual(all.map(({ id }) => id), [1, 1, 1]);
  assert.equal(renewed.get(), all[0]);
  assert.equal(state.fetched, 1);
});

Deno.test("renewed: five minutes before the end, or at half time of a short life", async () => {
  for (const [lifetime, kept] of [[60, 54], [6, 2]] as const) {
    const { renewed, clock } = source(lifetime * MINUTE_MS);
    await renewed.get();
    clock.ms = kept * MINUTE_MS;
    assert.equal((await renewed.get()).id, 1);
    clock.ms += 2 * MINUTE_MS;
    assert.equal((await renewed.get()).id, 2);
  }
});

Deno.test("renewed: while a renewal fails, what is good is used, and the source left alone for a while", async () => {
  const { renewed, clock, state } = source();
  await renewed.get();
  state.fails = true;
  clock.ms = 56 * MINUTE_MS;
  assert.equal((await renewed.get()).id, 1);
  state.fails = false;
  assert.equal((await renewed.get()).id, 1);
  clock.ms += 31_000;
  assert.equal((await renewed.get()).id, 2);
});

Deno.test("renewed: nothing is used in its last seconds", async () => {
  const { renewed, clock, state } = source();
  await renewed.get();
  state.fails = true;
  clock.ms = 60 * MINUTE_MS - 9_000;
  await assert.rejects(Promise.resolve(renewed.get()), /no/);
});

Deno.test("renewed: what a server refused is not given again, and what does not end is kept", async () => {
  const { renewed, clock } = source(null);
  const first = await renewed.get();
  clock.ms = 1e12;
  assert.equal(renewed.get(), first);
  renewed.forget(first);
  const second = await renewed.get();
  assert.equal(second.id, 2);
  renewed.forget(first);
  assert.equal(renewed.get(), second);
});
