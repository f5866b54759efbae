/**
 * Clause 16: ranges save time and nothing else. Where a store refuses them or gives others, a large object comes by one stream.
 * @module
 */
import { Staging } from "../../../src/transfer/staging.ts";
import { getFile } from "../../../src/transfer/get.ts";
import type { GetResult } from "../../../src/storage/store.ts";
import { type Call, type Fault, FlakyStore, storeError } from "../../support/fakes.ts";
import { assertSame, MIB, sessionOn, temporaryDirectory } from "../../support/flows.ts";
import { verificationOf } from "../../support/transfer.ts";
import { type Bench, pattern, type Step } from "./harness.ts";

/** Three ranges. */
const LARGE = pattern(17 * MIB + 1);

const ofRanges = (reply: (got: GetResult) => GetResult) => (call: Call): Fault | null =>
  call.get?.start === undefined ? null : { reply };

const FAULTS: ((call: Call) => Fault | null)[] = [
  () => null,
  (call) => call.get?.ifMatch === undefined ? null : { error: storeError("changed") },
  (call) => call.get?.start === undefined ? null : { error: storeError("unsupported") },
  (call) => ({
    reply: (got) => {
      const etag = call.get?.start === undefined ? got.info.etag : '"of another server"';
      const modified = "Thu, 01 Jan 2026 00:00:00 GMT";
      return { ...got, info: { ...got.info, ...(etag !== undefined && { etag }), modified } };
    },
  }),
  ofRanges((got) => ({ ...got, length: got.length - 1 })),
];

async function optional(bench: Bench): Promise<void> {
  await bench.put("large", LARGE);
  using directory = temporaryDirectory();
  for (const faultOf of FAULTS) {
    const session = sessionOn({});
    const staging = new Staging(session.system, directory.path);
    const path = directory.at("large");
    const store = new FlakyStore(bench.store, faultOf);
    await getFile(session, store, bench.key("large"), {
      staging,
      path,
      verification: verificationOf("large"),
    });
    assertSame(Deno.readFileSync(path), LARGE);
  }
}

/** The steps of this clause. */
export const STEPS: Step[] = [{ clause: "16: ranges that fail cost time only", run: optional }];
