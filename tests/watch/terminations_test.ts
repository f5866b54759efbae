/** SIGTERM and SIGINT, which are two wishes. */
import assert from "assert";
import { Terminations } from "../../src/watch/terminations.ts";

Deno.test("terminations: SIGINT interrupts, once, and is no termination", () => {
  const terminations = new Terminations();
  assert.equal(terminations.interrupt(), true);
  assert.equal(terminations.interrupted.aborted, true);
  assert.match(terminations.interrupted.reason.message, /SIGINT/);
  assert.equal(terminations.interrupt(), false);
  assert.equal(terminations.count, 0);
});

Deno.test("terminations: for a task's own process SIGINT is the task's, and counts", () => {
  const terminations = new Terminations();
  terminations.leaveInterruptsToTask();
  assert.equal(terminations.interrupt(), true);
  assert.equal(terminations.interrupt(), true);
  assert.equal(terminations.interrupted.aborted, false);
  assert.equal(terminations.count, 2);
});
