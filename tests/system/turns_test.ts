import assert from "assert";
import { Turns } from "../../src/system/turns.ts";
import { HastyClock } from "../support/fakes.ts";

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
  let nowMs = 0;
  let slept = 0;
  const sleep = () => {
    slept++;
    // What the others do.
    nowMs += 70;
    return Promise.resolve();
  };
  const turns = new Turns({ monotonicMs: () => nowMs, sleep });
  nowMs += 100;
  await turns.take();
  nowMs += 70;
  await turns.take();
  assert.equal(slept, 1);
});
