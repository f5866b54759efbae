/** Threads are started and ended for real: how many there may be is the machine's to say. */
import assert from "assert";
import { openThreadProbe } from "../../src/system/threads.ts";

function threads(): number {
  return [...Deno.readDirSync("/proc/self/task")].length;
}

// The library stays for the life of the process, as in the program.
const options = { sanitizeResources: false };

Deno.test("a thread probe: a few threads can be started, and none of them stays", options, () => {
  const canStart = openThreadProbe();
  assert(canStart !== null);
  const before = threads();
  for (let turn = 0; turn < 50; turn++) assert.equal(canStart(3), true);
  assert.equal(threads(), before);
});
