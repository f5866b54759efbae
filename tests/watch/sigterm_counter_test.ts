/** SIGTERM and SIGINT, which are two wishes. */
import assert from "assert";
import { SigtermCounter } from "../../src/watch/sigterm_counter.ts";

Deno.test("signals: SIGINT interrupts, once, and is no termination", () => {
  const terminations = new SigtermCounter();
  assert.equal(terminations.interrupt(), true);
  assert.equal(terminations.interrupted.aborted, true);
  assert.match(terminations.interrupted.reason.message, /SIGINT/);
  assert.equal(terminations.interrupt(), false);
  assert.equal(terminations.count, 0);
});

Deno.test("signals: for a task's own process SIGINT is the task's, and counts", () => {
  const terminations = new SigtermCounter();
  terminations.leaveInterruptsToTask();
  assert.equal(terminations.interrupt(), true);
  assert.equal(terminations.interrupt(), true);
  assert.equal(terminations.interrupted.aborted, false);
  assert.equal(terminations.count, 2);
});
