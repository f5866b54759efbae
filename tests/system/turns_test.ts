import assert from "assert";
import { Turns } from "../../src/system/turns.ts";
import { FakeClock, HastyClock } from "../support/fakes.ts";

Deno.test("turns: nothing is waited for until it is time for one, and then once", async () => {
  const clock = new HastyClock();
  const turns = new Turns(clock);
  for (let step = 0; step < 250; step++) {
    await clock.advance(1);
    await turns.take();
  }
  assert.deepEqual(clock.slept, [0, 0]);
});

Deno.test("turns: the time that others took does not count", async () => {
  const clock = new FakeClock();
  const turns = new Turns(clock);
  await clock.advance(100);
  const taking = turns.take();
  await clock.advance(70);
  await taking;
  await clock.advance(70);
  await turns.take();
  assert.deepEqual(clock.slept, [0]);
});
