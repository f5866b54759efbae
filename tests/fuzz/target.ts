/**
 * Runs fuzz targets. COPILOT_FUZZ_MS is the time for each, COPILOT_FUZZ_SEED where it begins; the seed of an execution is in the
 * message of its failure.
 * @module
 */
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { Random } from "../faults/random.ts";

const TIME_MS = Number(Deno.env.get("COPILOT_FUZZ_MS") ?? "200");
const SEED = Number(Deno.env.get("COPILOT_FUZZ_SEED") ?? "1");

/** Feeds a target until its time is over: it succeeds, or fails with a CopilotError that is no fault of the program. */
export function fuzz(name: string, target: (random: Random) => unknown): void {
  Deno.test(`fuzz: ${name}`, async () => {
    const untilMs = performance.now() + TIME_MS;
    let refused = 0;
    let seed = SEED;
    for (; performance.now() < untilMs; seed++) {
      try {
        await target(new Random(seed));
      } catch (thrown) {
        if (!(thrown instanceof CopilotError)) {
          throw new Error(`Seed ${seed}: ${(thrown as Error).stack}`, { cause: thrown });
        }
        assert.notEqual(thrown.code, "internal", `Seed ${seed}: ${thrown.message}`);
        refused++;
      }
    }
    if (Deno.env.has("COPILOT_FUZZ_MS")) {
      Deno.stdout.writeSync(
        new TextEncoder().encode(`\n# ${name}: ${seed - SEED} executions, ${refused} refused\n`),
      );
    }
  });
}
