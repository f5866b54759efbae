import assert from "assert";
import { StreamLimit } from "../../src/transfer/stream_limit.ts";
import { FakeClock } from "../support/fakes.ts";
import { MIB } from "../support/flows.ts";

/** A limit after windows of so many MiB, each at a rate in MB/s of all streams together. */
async function limitAfter(...windows: [mib: number, rate: number][]): Promise<number> {
  const clock = new FakeClock();
  const streams = new StreamLimit(clock);
  await clock.advance(1000);
  assert.equal(streams.came(1), false, "the wait for the first byte does not count");
  for (const [mib, rate] of windows) {
    for (let i = 0; i < mib * 4; i++) {
      await clock.advance(MIB / 4 / rate / 1000);
      const before = streams.limit;
      assert.equal(streams.came(MIB / 4), streams.limit > before, "a rise is told");
    }
  }
  return streams.limit;
}

Deno.test("stream limit: two streams until eight MiB have told how fast they are", async () => {
  assert.equal(await limitAfter(), 2);
  assert.equal(await limitAfter([7, 120]), 2);
  assert.equal(await limitAfter([8, 120]), 16);
  assert.equal(await limitAfter([8, 1000]), 2);
  assert.equal(await limitAfter([8, 301], [64, 301]), 2);
});

Deno.test("stream limit: a burst at the start does not hide that a connection is bounded", async () => {
  assert.equal(await limitAfter([8, 1000], [63, 120]), 2);
  assert.equal(await limitAfter([8, 1000], [64, 120]), 16);
});

Deno.test("stream limit: what has risen stays", async () => {
  assert.equal(await limitAfter([8, 120], [640, 5000]), 16);
});
