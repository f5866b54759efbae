import assert from "assert";
import { Buffers } from "../../src/system/buffers.ts";

Deno.test("buffers: what is given back is taken again, and no two holders share one", () => {
  const buffers = new Buffers(1024);
  const first = buffers.take();
  const second = buffers.take();
  assert.notEqual(first, second);
  assert.equal(first.length, 1024);
  buffers.give(first);
  assert.equal(buffers.take(), first);
  buffers.give(second);
  buffers.give(first);
  assert.deepEqual(new Set([buffers.take(), buffers.take()]), new Set([first, second]));
  assert.notEqual(buffers.take().buffer, first.buffer);
});
