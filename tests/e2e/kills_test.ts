/**
 * Runs of the compiled binary that are killed at a random moment, each followed by a rerun: nothing under a final name is ever
 * a part of something, and the rerun is right and leaves nothing behind. COPILOT_TEST_KILLS says how many of each kind.
 * @module
 */
import assert from "assert";
import { Bucket } from "../faults/bucket.ts";
import { Random } from "../faults/random.ts";
import { runTrial, type Terms } from "../faults/trial.ts";
import { testWith } from "./harness.ts";

const KILLS = Number(Deno.env.get("COPILOT_TEST_KILLS") ?? "6");
const LARGE_BYTES = 40 * 1024 * 1024;

for (const kind of ["download", "upload"] as const) {
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    testWith(
      `${signal} at ${KILLS} random moments of a ${kind}, then a rerun`,
      ["binary", "versitygw"],
      async ({ binary, versitygw: endpoint }) => {
        const bucket = await Bucket.open(endpoint, "kills");
        const calm = { kind, rate: 0, corrupt: 0, largeBytes: LARGE_BYTES } satisfies Partial<Terms>;
        const trial = (seed: number, kill: Terms["kill"]) =>
          runTrial({ binary, endpoint, bucket, seed, fixed: { ...calm, kill } });
        const { first } = await trial(Deno.pid * 1000, undefined);
        const random = new Random(`${kind} ${signal}`);
        let cut = 0;
        for (let index = 1; index <= KILLS; index++) {
          const afterMs = Math.ceil(random.next() * first.ms);
          const { broken, first: killed } = await trial(Deno.pid * 1000 + index, { signal, afterMs });
          assert.deepEqual(broken, [], `killed after ${afterMs} of ${first.ms} ms: ${killed.stderr}`);
          if (killed.code !== 0) cut++;
        }
        bucket.close();
        // An upload goes on after its first SIGTERM: that is how it learns that main has ended.
        if (kind === "download" || signal === "SIGKILL") assert(cut > 0, "some were killed before their end");
      },
    );
  }
}
