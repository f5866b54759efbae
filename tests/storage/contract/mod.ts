/**
 * The contract of src/storage/store.ts as tests: one named step for each rule of its clauses, for any store.
 *
 * A new backend is one entry in contract_test.ts. What a store cannot do is declared there as a difference with its
 * reason, and the step is shown as ignored with that reason; nothing is left out in silence.
 * @module
 */
import type { ObjectStore } from "../../../src/storage/store.ts";
import { STEPS as ABORTS } from "./aborts.ts";
import { Bench, type Step, type StoreUnderTest } from "./harness.ts";
import { STEPS as KEYS } from "./keys.ts";
import { STEPS as LISTINGS } from "./listings.ts";
import { STEPS as RANGES } from "./ranges.ts";
import { STEPS as READS } from "./reads.ts";
import { STEPS as UPLOADS } from "./uploads.ts";

export type { Difference, StoreUnderTest } from "./harness.ts";

const STEPS: readonly Step[] = [...KEYS, ...LISTINGS, ...READS, ...RANGES, ...UPLOADS, ...ABORTS];

/** Why a step is left out, if it is. */
function reasonAgainst(step: Step, under: StoreUnderTest, store: ObjectStore): string | undefined {
  if (step.unordered && store.traits.orderedParts) return "parts must come in order";
  return step.difference === undefined ? undefined : under.differences[step.difference];
}

/**
 * Runs every step on a store.
 *
 * @param wrap what the store is wrapped in: the retry layer, or nothing
 */
export async function storageContract(
  t: Deno.TestContext,
  under: StoreUnderTest,
  wrap: (store: ObjectStore) => ObjectStore = (store) => store,
): Promise<void> {
  const store = wrap(await under.open());
  const bench = new Bench(under, store);
  try {
    for (const step of STEPS) {
      const reason = reasonAgainst(step, under, store);
      const name = `clause ${step.clause}${reason === undefined ? "" : ` (${reason})`}`;
      await t.step({ name, ignore: reason !== undefined, fn: () => step.run(bench) });
    }
    await bench.cleanUp();
  } finally {
    store.close();
  }
}
