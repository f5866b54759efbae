import assert from "assert";
import { Watchdog } from "../../src/sandbox/watchdog.ts";
import { FakeClock, settle } from "../support/fakes.ts";

function watched(answers: (asked: number) => boolean) {
  const clock = new FakeClock();
  const seen = { clock, asked: 0, silent: 0 };
  const watchdog: Watchdog = new Watchdog(clock, {
    ask() {
      if (answers(++seen.asked)) watchdog.answered();
    },
    silent: () => seen.silent++,
  });
  const pass = async (ms: number) => {
    await clock.advance(ms);
    await settle();
  };
  return { seen, watchdog, pass };
}

Deno.test("watchdog: nothing is asked before there is a reason to", async () => {
  const { seen, watchdog, pass } = watched(() => false);
  await pass(1_000_000);
  assert.deepEqual([seen.asked, seen.silent], [0, 0]);
  watchdog.close();
});

Deno.test("watchdog: a Worker that answers is left alone, however long it takes", async () => {
  const { seen, watchdog, pass } = watched(() => true);
  watchdog.watch(1000);
  for (let second = 0; second < 100; second++) await pass(1000);
  assert.equal(seen.silent, 0);
  assert(seen.asked >= 100);
  watchdog.close();
});

Deno.test("watchdog: a Worker that stops answering is noticed once, after the bound", async () => {
  const { seen, watchdog, pass } = watched((asked) => asked < 3);
  watchdog.watch(1000);
  await pass(1000);
  await pass(1000);
  await pass(999);
  assert.equal(seen.silent, 0);
  await pass(1);
  assert.equal(seen.silent, 1);
  await pass(100_000);
  assert.deepEqual([seen.asked, seen.silent], [3, 1]);
});

Deno.test("watchdog: the first question comes when the deadline is over, not before", async () => {
  const { seen, watchdog, pass } = watched(() => false);
  watchdog.watchAfter(5000, 1000);
  await pass(4999);
  assert.equal(seen.asked, 0);
  await pass(1);
  assert.equal(seen.asked, 1);
  await pass(1000);
  assert.equal(seen.silent, 1);
});

Deno.test("watchdog: a smaller bound takes the place of a larger one that is waited for", async () => {
  const { seen, watchdog, pass } = watched(() => false);
  watchdog.watch(10_000);
  watchdog.watch(700);
  await pass(700);
  assert.equal(seen.silent, 1);
  await pass(10_000);
  assert.equal(seen.silent, 1);
});

Deno.test("watchdog: an end in any case comes whatever is answered, and not after closing", async () => {
  const { seen, watchdog, pass } = watched(() => true);
  watchdog.endAfter(1000);
  await pass(1000);
  assert.equal(seen.silent, 1);
  const closed = watched(() => true);
  closed.watchdog.endAfter(1000);
  closed.watchdog.close();
  await closed.pass(1000);
  assert.equal(closed.seen.silent, 0);
});
