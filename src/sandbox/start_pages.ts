/**
 * Memory that only a thread's start needs, and when it is over.
 * @module
 */
import { openCodePages } from "../system/code_pages.ts";
import { sys } from "../system/deno.ts";
import type { Clock } from "../system/mod.ts";

/** Loaded before the right to is given up, and usable after it. */
const RELEASE = openCodePages(sys.files);

/** Milliseconds from a thread's start to the middle of its work; a small run has ended by then. */
const UNDER_WAY_MS = 50;

/**
 * Lets it go once the work is under way. Before the first collection of the heap, so that the process is at no time as large as both.
 *
 * @returns calls it off
 */
export function releaseWhenUnderWay(clock: Clock): () => void {
  const callOff = clock.every(UNDER_WAY_MS, () => {
    callOff();
    RELEASE?.();
  });
  return callOff;
}
